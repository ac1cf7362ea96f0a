"""Which commit a compose file belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.submission.provenance import git_state

SHA, OTHER = "a" * 40, "b" * 40


def repository(folder: Path, head: str, **files: str) -> Path:
    """A `.git` with this HEAD and these files."""
    git = folder / ".git"
    git.mkdir()
    (git / "HEAD").write_text(head)
    for name, text in files.items():
        path = git / name.replace("__", "/").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return git


def test_a_branch_and_its_commit_are_found_from_below(tmp_path: Path) -> None:
    """The compose file may lie anywhere in the tree."""
    repository(tmp_path, "ref: refs/heads/feat/x\n", refs__heads__feat__x=f"{SHA}\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    state = git_state(below)
    assert state is not None
    assert (state.sha, state.branch, state.dirty) == (SHA, "feat/x", None)


def test_packed_references_count(tmp_path: Path) -> None:
    """After `git gc` the branch has no file of its own."""
    repository(tmp_path, "ref: refs/heads/main\n", packed_refs=f"# pack\n{OTHER} refs/heads/o\n{SHA} refs/heads/main\n")
    state = git_state(tmp_path)
    assert state is not None
    assert state.sha == SHA


def test_a_linked_worktree_is_followed(tmp_path: Path) -> None:
    """Its `.git` is a file, and its branches lie in the main repository."""
    main, linked = tmp_path / "main", tmp_path / "linked"
    main.mkdir()
    linked.mkdir()
    git = repository(main, "ref: refs/heads/main\n", refs__heads__side=SHA)
    own = git / "worktrees" / "linked"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/side\n")
    (own / "commondir").write_text("../..\n")
    (linked / ".git").write_text(f"gitdir: {own}\n")
    state = git_state(linked)
    assert state is not None
    assert (state.sha, state.branch) == (SHA, "side")


def test_a_commit_without_a_branch_is_one(tmp_path: Path) -> None:
    """After `git checkout <commit>`."""
    repository(tmp_path, f"{SHA}\n")
    state = git_state(tmp_path)
    assert state is not None
    assert (state.sha, state.branch) == (SHA, None)


@pytest.mark.parametrize("head", ["", "ref: refs/../../secret\n", "ref: /etc/passwd\n", "\0\xff", "x" * 100])
def test_a_strange_head_says_nothing(tmp_path: Path, head: str) -> None:
    """And leads nowhere."""
    repository(tmp_path, head)
    assert git_state(tmp_path) is None


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """A submission never hangs on it."""
    git = repository(tmp_path, "")
    (git / "HEAD").unlink()
    os.mkfifo(git / "HEAD")
    assert git_state(tmp_path) is None
