"""Which commit a compose file belongs to, read from the files of its repository without starting a program."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from compose_core.records.requests import GitState

_MOST_BYTES = 1024 * 1024
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH = re.compile(r"ref: (refs/[^\x00-\x20\x7f~^:?*\[\\]+)")


def git_state(folder: Path) -> GitState | None:
    """The checked-out commit and branch of the repository that holds the folder; None when there is none to be read."""
    for place in (folder, *folder.parents):
        git_dir = _git_dir(place / ".git")
        if git_dir is not None:
            return _state(git_dir)
    return None


def _git_dir(dot_git: Path) -> Path | None:
    """The repository behind `.git`, which in a linked worktree is a file that names it."""
    if dot_git.is_dir():
        return dot_git
    word, _, place = (_text(dot_git) or "").partition(": ")
    return dot_git.parent / place.strip() if word == "gitdir" and place.strip() else None


def _state(git_dir: Path) -> GitState | None:
    head = (_text(git_dir / "HEAD") or "").strip()
    if _SHA.fullmatch(head):
        return GitState(sha=head)
    reference = _BRANCH.fullmatch(head)
    if reference is None or ".." in reference[1]:
        return None
    common = (_text(git_dir / "commondir") or "").strip()
    places = [git_dir, git_dir / common] if common else [git_dir]
    branch = reference[1].removeprefix("refs/heads/").encode("utf-8", "backslashreplace").decode()
    return GitState(sha=_commit(places, reference[1]), branch=branch)


def _commit(places: list[Path], reference: str) -> str | None:
    """What the reference points to; None before the first commit."""
    for place in places:
        if _SHA.fullmatch(sha := (_text(place / reference) or "").strip()):
            return sha
    for place in places:
        for line in (_text(place / "packed-refs") or "").splitlines():
            sha, _, name = line.partition(" ")
            if name == reference and _SHA.fullmatch(sha):
                return sha
    return None


def _text(path: Path) -> str | None:
    """The beginning of a regular file; None when there is none that can be read. Pipes and devices are not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        return stream.read(_MOST_BYTES).decode("utf-8", "surrogateescape")
