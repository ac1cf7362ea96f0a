"""Folders are measured and removed without a way out of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.records.our_path import OurPath
from compose_core.records.tree import measure_tree, remove_tree

FOREIGN = 54321


@pytest.fixture
def tree(tmp_path: Path) -> OurPath:
    """An empty folder that is to be removed."""
    (tmp_path / "tree").mkdir()
    return OurPath(tmp_path) / "tree"


def test_a_folder_goes_with_all_that_is_in_it(tree: OurPath) -> None:
    """And it is told how much that was, the same as was measured before."""
    (tree.path / "a" / "b").mkdir(parents=True)
    (tree.path / "a" / "b" / "data").write_bytes(b"x" * 100_000)
    (tree.path / "empty").write_bytes(b"")
    os.mkfifo(tree.path / "pipe")
    expected = measure_tree(tree)
    freed = remove_tree(tree)
    assert not tree.path.exists()
    assert (freed.bytes, freed.files, freed.left) == (expected.bytes, expected.files, [])
    assert freed.files == 3
    assert freed.bytes >= 100_000


def test_links_go_and_what_they_lead_to_stays(tree: OurPath, tmp_path: Path) -> None:
    """Files, folders, and a way up."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("kept")
    (tree.path / "folder").symlink_to(tmp_path / "precious")
    (tree.path / "file").symlink_to(tmp_path / "precious" / "data")
    (tree.path / "up").symlink_to("../..")
    (tree.path / "dangling").symlink_to("nowhere")
    remove_tree(tree)
    assert not tree.path.exists()
    assert (tmp_path / "precious" / "data").read_text() == "kept"


def test_a_link_in_place_of_the_folder_is_refused(tree: OurPath, tmp_path: Path) -> None:
    """Nothing behind it is touched."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("kept")
    tree.path.rmdir()
    tree.path.symlink_to(tmp_path / "precious")
    with pytest.raises(RecordError):
        remove_tree(tree)
    assert (tmp_path / "precious" / "data").read_text() == "kept"


def test_another_name_of_a_file_frees_nothing(tree: OurPath, tmp_path: Path) -> None:
    """Its content stays under the other name."""
    (tmp_path / "precious").write_bytes(b"x" * 100_000)
    (tree.path / "linked").hardlink_to(tmp_path / "precious")
    freed = remove_tree(tree)
    assert (freed.bytes, freed.files) == (0, 1)
    assert (tmp_path / "precious").stat().st_size == 100_000


def test_a_tree_deeper_than_any_descriptor_table_goes(tree: OurPath) -> None:
    """Each level would hold one descriptor."""
    here = os.open(tree.path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert remove_tree(tree).files == 1
    assert not tree.path.exists()


def test_folders_without_rights_go(tree: OurPath) -> None:
    """Module caches are read-only on purpose."""
    (tree.path / "cache").mkdir()
    (tree.path / "cache" / "file").write_text("x")
    (tree.path / "cache").chmod(0o500)
    (tree.path / "closed").mkdir(0o000)
    remove_tree(tree)
    assert not tree.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")
def test_what_belongs_to_somebody_else_stays(tree: OurPath) -> None:
    """With the folders on the way to it; everything else goes."""
    (tree.path / "mine").write_text("x")
    (tree.path / "sub" / "theirs").mkdir(parents=True)
    (tree.path / "sub" / "mine").write_text("x")
    os.chown(tree.path / "sub" / "theirs", FOREIGN, FOREIGN)
    freed = remove_tree(tree)
    assert freed.left == [f"{tree}/sub/theirs belongs to user id {FOREIGN}"]
    assert freed.files == 2
    assert sorted(path.name for path in tree.path.rglob("*")) == ["sub", "theirs"]


def test_named_files_go_last(tree: OurPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks meanwhile finds them."""
    gone: list[str] = []
    unlink = os.unlink

    def noted(path: str, *, dir_fd: int | None = None) -> None:
        gone.append(path)
        unlink(path, dir_fd=dir_fd)

    for name in ("claim", "a", "z"):
        (tree.path / name).write_text("")
    monkeypatch.setattr(os, "unlink", noted)
    remove_tree(tree, last=("claim",))
    assert gone[-1] == "claim"
    assert len(gone) == 3


def test_no_folder_frees_nothing(tree: OurPath) -> None:
    """The caller need not look first."""
    tree.path.rmdir()
    assert measure_tree(tree).files == remove_tree(tree).files == 0
