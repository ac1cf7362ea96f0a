"""Folders with all that is in them: how much they hold, and their removal without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from compose_core.records.our_path import OurPath, opened_folder, refuse

_DEEPEST = 64
"""Folders deeper than this are moved up before they are emptied: each level holds a descriptor."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOVED_UP = ".moved-up-"


@dataclass(slots=True)
class Freed:
    """What a removal gives back."""

    bytes: int = 0
    """On disk; a file that has another name elsewhere frees nothing."""
    files: int = 0
    left: list[str] = field(default_factory=list)
    """What stays, and why: it is not ours."""


def measure_tree(folder: OurPath) -> Freed:
    """What `remove_tree` would free; nothing when there is no folder.

    Raises: RecordError: it cannot be read, or is not ours.
    """
    found = Freed()
    try:
        with opened_folder(folder) as descriptor:
            _measure(descriptor, os.fstat(descriptor).st_dev, found, depth=0)
    except FileNotFoundError:
        return found
    except OSError as error:
        refuse(folder, error)
    return found


def remove_tree(folder: OurPath, *, last: tuple[str, ...] = ()) -> Freed:
    """The folder is gone afterwards, except for what belongs to somebody else or lies on another file system.

    Links are removed and never followed; `last` names files that go after everything else.

    Raises: RecordError: something of ours cannot be removed; the rest may be gone.
    """
    try:
        with opened_folder(folder.folder) as above, opened_folder(folder) as top:
            sweep = _Sweep(str(folder), top, last)
            sweep.run()
            if not sweep.freed.left:
                os.rmdir(folder.name, dir_fd=above)
                os.fsync(above)
            return sweep.freed
    except FileNotFoundError:
        return Freed()
    except OSError as error:
        refuse(folder, error)


class _Sweep:
    """The emptying of one folder."""

    def __init__(self, shown: str, top: int, last: tuple[str, ...]) -> None:
        self.freed = Freed()
        self._shown = shown
        self._top = top
        self._last = last
        self._device = os.fstat(top).st_dev
        self._moved_up = 0

    def run(self) -> None:
        while True:
            before = self._moved_up
            self.freed.left.clear()
            self._empty(self._top, self._shown, depth=0)
            if self._moved_up == before:
                return

    def _empty(self, folder: int, shown: str, *, depth: int) -> None:
        _let_us_in(folder)
        for name, found in sorted(_entries(folder), key=lambda entry: entry[0] in self._last):
            path = f"{shown}/{name}"
            if found.st_uid not in {os.geteuid(), 0}:
                self.freed.left.append(f"{path} belongs to user id {found.st_uid}")
            elif not stat.S_ISDIR(found.st_mode):
                self._unlink(folder, name, found)
            elif found.st_dev != self._device:
                self.freed.left.append(f"{path} is another file system")
            elif depth >= _DEEPEST:
                self._moved_up += 1
                os.rename(name, f"{_MOVED_UP}{os.urandom(6).hex()}", src_dir_fd=folder, dst_dir_fd=self._top)
            else:
                self._remove_folder(folder, name, path, depth=depth + 1)

    def _remove_folder(self, above: int, name: str, path: str, *, depth: int) -> None:
        already_left = len(self.freed.left)
        child = _open_child(above, name)
        if child is None:
            return
        try:
            if os.fstat(child).st_dev != self._device:
                self.freed.left.append(f"{path} is another file system")
                return
            self._empty(child, path, depth=depth)
        finally:
            os.close(child)
        if len(self.freed.left) == already_left:
            os.rmdir(name, dir_fd=above)

    def _unlink(self, folder: int, name: str, found: os.stat_result) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        self.freed.files += 1
        self.freed.bytes += _freed_by(found)


def _measure(folder: int, device: int, found: Freed, *, depth: int) -> None:
    for name, entry in _entries(folder):
        if entry.st_uid not in {os.geteuid(), 0}:
            found.left.append(f"{name} belongs to user id {entry.st_uid}")
        elif not stat.S_ISDIR(entry.st_mode):
            found.files += 1
            found.bytes += _freed_by(entry)
        elif entry.st_dev != device:
            found.left.append(f"{name} is another file system")
        elif depth < _DEEPEST:
            _measure_child(folder, name, device, found, depth=depth + 1)


def _measure_child(above: int, name: str, device: int, found: Freed, *, depth: int) -> None:
    try:
        child = os.open(name, _FOLDER, dir_fd=above)
    except OSError:
        return  # gone, or closed to us: an estimate need not know
    try:
        _measure(child, device, found, depth=depth)
    finally:
        os.close(child)


def _entries(folder: int) -> list[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        return list(_looked_at(entries))


def _looked_at(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, os.stat_result]]:
    for entry in entries:
        try:
            yield entry.name, entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue


def _freed_by(found: os.stat_result) -> int:
    return found.st_blocks * 512 if found.st_nlink == 1 else 0


def _open_child(above: int, name: str) -> int | None:
    """A descriptor of our folder; None when it is gone. One that a program closed to its owner is opened up first."""
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        return None
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - of the descriptor, which no link can bend
        finally:
            os.close(handle)
        return os.open(name, _FOLDER, dir_fd=above)


def _let_us_in(folder: int) -> None:
    """Programs make folders that even their owner cannot write to."""
    found = os.fstat(folder)
    if found.st_uid == os.geteuid() and found.st_mode & 0o700 != 0o700:
        os.fchmod(folder, 0o700)
