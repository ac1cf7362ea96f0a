"""Files are whole or absent."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.records.atomic import (
    append_line,
    create_file,
    file_exists,
    make_folder,
    make_new_folder,
    names_in,
    read_file,
    remove_file,
    remove_old_temporaries,
    rename_new,
    replace_file,
)
from compose_core.records.our_path import OurPath


@pytest.fixture
def path(tmp_path: Path) -> OurPath:
    return OurPath(tmp_path) / "folder" / "file"


def test_what_is_written_can_be_read(path: OurPath) -> None:
    """The folders on the way are made."""
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert read_file(path, max_bytes=3) == b"two"
    assert [name.name for name in names_in(path.folder)] == ["file"]


def test_files_and_folders_are_private(path: OurPath) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        replace_file(path, b"")
        append_line(path.folder / "lines", b"x")
        create_file(path.folder / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(child.stat().st_mode) for child in path.folder.path.iterdir()} == {0o600}


def test_an_absent_file_reads_as_none(path: OurPath) -> None:
    """So does one in an absent folder."""
    assert read_file(path, max_bytes=10) is None
    assert not file_exists(path)
    remove_file(path)


def test_a_file_that_is_too_large_is_refused(path: OurPath) -> None:
    """It cannot be ours."""
    replace_file(path, b"12345")
    with pytest.raises(RecordError, match="larger than 4 bytes"):
        read_file(path, max_bytes=4)


def test_creating_succeeds_once(path: OurPath) -> None:
    """The first content stays."""
    assert create_file(path, b"first")
    assert not create_file(path, b"second")
    assert read_file(path, max_bytes=10) == b"first"
    assert len(names_in(path.folder)) == len(list(path.folder.path.iterdir()))


def test_of_many_creators_one_succeeds(path: OurPath) -> None:
    """At the same moment."""
    make_folder(path.folder)
    winners: list[int] = []
    gate = threading.Barrier(8)

    def create(number: int) -> None:
        gate.wait()
        if create_file(path, str(number).encode()):
            winners.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in winners] == [read_file(path, max_bytes=10)]


def test_of_two_makers_of_a_folder_one_succeeds(path: OurPath) -> None:
    """Making it is a reservation."""
    assert make_new_folder(path)
    assert not make_new_folder(path)


def test_lines_are_appended(path: OurPath) -> None:
    """Each with one end."""
    append_line(path, b"one\n")
    append_line(path, b"two")
    assert read_file(path, max_bytes=100) == b"one\ntwo\n"


def test_a_torn_line_is_closed_before_the_next(path: OurPath) -> None:
    """So only the torn one is lost."""
    replace_file(path, b"one\n{to")
    append_line(path, b"two")
    assert read_file(path, max_bytes=100) == b"one\n{to\ntwo\n"


def test_renaming_does_not_replace(path: OurPath) -> None:
    """The other file stays, and an absent one has no new name."""
    other = path.folder / "other"
    replace_file(path, b"one")
    assert rename_new(path, other)
    assert not rename_new(path, path.folder / "third")
    replace_file(path, b"two")
    assert not rename_new(path, other)
    assert (read_file(path, max_bytes=9), read_file(other, max_bytes=9)) == (b"two", b"one")


def test_names_tell_what_they_are(path: OurPath) -> None:
    """In order; temporary ones are nobody's business."""
    folder = path.folder
    replace_file(path, b"")
    make_folder(folder / "sub")
    (folder.path / "link").symlink_to("file")
    (folder.path / ".tmp-file-1-ab").write_text("")
    assert [(name.name, name.kind) for name in names_in(folder)] == [
        ("file", "file"),
        ("link", "other"),
        ("sub", "folder"),
    ]


def test_what_killed_writers_left_is_removed_when_it_is_old(path: OurPath) -> None:
    """A young one may still be written."""
    make_folder(path.folder)
    for name, at in ((".tmp-old", 1000), (".tmp-young", 5000), ("old", 1000)):
        (path.folder.path / name).write_text("")
        os.utime(path.folder.path / name, (at, at))
    remove_old_temporaries(path.folder, before_epoch_s=2000)
    assert sorted(child.name for child in path.folder.path.iterdir()) == [".tmp-young", "old"]


def test_in_a_shared_folder_only_our_own_temporaries_are_removed(path: OurPath) -> None:
    """A user may name a file alike."""
    make_folder(path.folder)
    for name in (".tmp-lock-1-ab", ".tmp-mine", ".tmp-lockpick"):
        (path.folder.path / name).write_text("")
        os.utime(path.folder.path / name, (1000, 1000))
    remove_old_temporaries(path.folder, before_epoch_s=2000, of="lock")
    assert sorted(child.name for child in path.folder.path.iterdir()) == [".tmp-lockpick", ".tmp-mine"]


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may grow beyond the limit: the nearest to a full disk without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_failed_write_leaves_the_old_content(path: OurPath, write: Callable[[OurPath, bytes], object]) -> None:
    """And nothing half-written beside it."""
    replace_file(path, b"old")
    target = path if write is replace_file else path.folder / "new"
    with full_disk(1000), pytest.raises(RecordError) as caught:
        write(target, b"x" * 5000)
    assert str(target) in caught.value.message
    assert read_file(path, max_bytes=10) == b"old"
    assert [child.name for child in path.folder.path.iterdir()] == ["file"]


def test_a_line_that_does_not_fit_is_an_error(path: OurPath) -> None:
    """The lines before it can still be read."""
    append_line(path, b"x" * 900)
    with full_disk(1000), pytest.raises(RecordError):
        append_line(path, b"y" * 900)


def test_a_folder_that_cannot_be_written_is_named(path: OurPath) -> None:
    """With what to do about it."""
    path.folder.path.write_text("in the way")
    with pytest.raises(RecordError) as caught:
        replace_file(path, b"")
    assert str(path.folder) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("write", [replace_file, create_file, append_line])
def test_a_sync_that_fails_is_told_with_the_path(
    path: OurPath, write: Callable[[OurPath, bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last one, of the folder."""
    calls = 0

    def fail_last(_descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == (1 if write is append_line else 2):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    make_folder(path.folder)
    monkeypatch.setattr(os, "fsync", fail_last)
    with pytest.raises(RecordError) as caught:
        write(path, b"content")
    assert str(path) in caught.value.message
