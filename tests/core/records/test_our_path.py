"""Nothing planted on the way to one of our paths is followed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.records.atomic import append_line, create_file, file_exists, names_in, read_file, replace_file
from compose_core.records.json_text import read_json_lines
from compose_core.records.our_path import OurPath, opened_folder

WRITERS = [
    lambda path: replace_file(path, b"ours"),
    lambda path: create_file(path, b"ours"),
    lambda path: append_line(path, b"ours"),
]


@pytest.fixture
def ours(tmp_path: Path) -> OurPath:
    (tmp_path / "project" / ".hpc-compose").mkdir(parents=True)
    return OurPath(tmp_path / "project") / ".hpc-compose" / "file"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b"])
def test_a_component_is_one_name(tmp_path: Path, name: str) -> None:
    """No text from outside becomes a way up or down."""
    with pytest.raises(ValueError, match="not the name of a file"):
        OurPath(tmp_path) / name


def test_a_path_knows_its_name_folder_and_text(tmp_path: Path) -> None:
    """It can be given to open() and shown."""
    path = OurPath(tmp_path) / "a" / "b"
    assert (path.name, path.folder, str(path), os.fspath(path)) == (
        "b",
        OurPath(tmp_path) / "a",
        str(tmp_path / "a/b"),
        str(tmp_path / "a/b"),
    )


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "socket", "folder", "device"])
def test_reading_refuses_what_is_no_regular_file(ours: OurPath, tmp_path: Path, kind: str) -> None:
    """And never waits for the other end of a pipe."""
    plant(ours.path, kind, tmp_path)
    with pytest.raises(RecordError) as caught:
        read_file(ours, max_bytes=100)
    assert str(ours) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "socket", "device"])
def test_appending_refuses_what_is_no_regular_file(ours: OurPath, tmp_path: Path, kind: str) -> None:
    """Nothing is written through it."""
    plant(ours.path, kind, tmp_path)
    with pytest.raises(RecordError):
        append_line(ours, b"ours")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "nowhere").exists()


def test_replacing_a_link_leaves_its_target_alone(ours: OurPath, tmp_path: Path) -> None:
    """The link itself gives way to our file."""
    plant(ours.path, "link", tmp_path)
    replace_file(ours, b"ours")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not ours.path.is_symlink()
    assert read_file(ours, max_bytes=100) == b"ours"


def test_creating_over_a_link_does_nothing(ours: OurPath, tmp_path: Path) -> None:
    """Something is there, so this caller did not make it."""
    plant(ours.path, "dangling link", tmp_path)
    assert create_file(ours, b"ours") is False
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, write: object) -> None:
    """`.hpc-compose` must be a folder of ours, not a way to somebody else's."""
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project" / ".hpc-compose").symlink_to(tmp_path / "elsewhere")
    path = OurPath(tmp_path / "project") / ".hpc-compose" / "file"
    with pytest.raises(RecordError, match="link"):
        write(path)  # type: ignore[operator]
    with pytest.raises(RecordError, match="link"):
        read_file(path, max_bytes=100)
    with pytest.raises(RecordError, match="link"):
        read_json_lines(path)
    with pytest.raises(RecordError, match="link"):
        names_in(path.folder)
    with pytest.raises(RecordError, match="link"):
        file_exists(path)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_to_the_project_is_the_users_business(tmp_path: Path) -> None:
    """Only what lies below the project has to be ours."""
    (tmp_path / "real").mkdir()
    (tmp_path / "project").symlink_to(tmp_path / "real")
    path = OurPath(tmp_path / "project") / ".hpc-compose" / "file"
    replace_file(path, b"ours")
    assert (tmp_path / "real" / ".hpc-compose" / "file").read_bytes() == b"ours"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_refused(ours: OurPath) -> None:
    """It may hold anything."""
    ours.path.write_bytes(b"theirs")
    os.chown(ours.path, 12345, 12345)
    os.seteuid(23456)
    try:
        with pytest.raises(RecordError, match=r"user id 12345|Permission denied"):
            read_file(ours, max_bytes=100)
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    """Its owner could swap what is in it at any time."""
    folder = OurPath(tmp_path) / ".hpc-compose"
    folder.path.mkdir()
    os.chown(folder.path, 12345, 12345)
    with pytest.raises(RecordError, match="user id 12345"), opened_folder(folder):
        pass


def test_an_absent_root_is_made_only_for_writing(tmp_path: Path) -> None:
    """Reading makes nothing."""
    path = OurPath(tmp_path / "new" / "root") / "file"
    assert read_file(path, max_bytes=10) is None
    assert not (tmp_path / "new").exists()
    replace_file(path, b"ours")
    assert (tmp_path / "new/root/file").read_bytes() == b"ours"


def plant(path: Path, kind: str, tmp_path: Path) -> None:
    """Something in the place of our file."""
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name may be 107 bytes long
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    else:
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root can make a device")
