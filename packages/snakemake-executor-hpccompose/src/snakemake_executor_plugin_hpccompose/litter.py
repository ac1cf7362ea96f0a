"""What runs leave behind and nobody needs any more: logs, and the files of runs that are long over."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

_RUN = re.compile(r"[0-9a-f]{10}")


def remove_log(path: Path) -> None:
    """The log goes, and its folder when it was the last one there; one that cannot go is only litter."""
    try:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
    except OSError:
        pass  # other logs lie there


def remove_old_logs(ours: Collection[Path], *, before: float) -> int:
    """How many of these logs went that nobody wrote to since then.

    No other file goes, whatever its name: the folder of logs may be one that the user keeps other things in.
    """
    names: dict[Path, set[str]] = {}
    for path in ours:
        names.setdefault(path.parent, set()).add(path.name)
    removed = 0
    for folder, known in names.items():
        for entry in _entries(folder):
            if entry.name in known and entry.is_file(follow_symlinks=False) and _written_at(entry) < before:
                remove_log(Path(entry.path))
                removed += 1
    return removed


def remove_old_runs(state: Path, *, keep: Collection[str], before: float) -> int:
    """How many folders of runs went in which nothing was written since then."""
    removed = 0
    for entry in _entries(state):
        is_run = _RUN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        if is_run and entry.name not in keep and _last_written(entry) < before:
            shutil.rmtree(entry.path, ignore_errors=True)  # what cannot go now goes with a later run
            removed += 1
    return removed


def _last_written(folder: os.DirEntry[str]) -> float:
    return max(_written_at(entry) for entry in (folder, *_entries(Path(folder.path))))


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _written_at(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return float("inf")  # somebody else was faster
