"""A path of ours, and a way to it that no planted link, pipe or foreign file can bend."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from compose_core.errors import RecordError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REMEDIES = {
    errno.ENOSPC: "Free some space on that file system (`df` shows how much is left) and try again.",
    errno.EDQUOT: "Your quota on that file system is used up: remove something and try again.",
    errno.EROFS: "That file system is mounted read-only: use a project folder that can be written.",
    errno.EACCES: "Give yourself read and write permission on it.",
    errno.EPERM: "Give yourself read and write permission on it.",
    errno.ELOOP: "Something put a symbolic link there: look at what it points to, remove it, and try again.",
    errno.ESTALE: "The file server replaced it meanwhile: try again.",
    errno.EIO: "The file system reports a fault: look at its health, then try again.",
}


@dataclass(frozen=True, slots=True)
class OurPath:
    """A file or folder below a folder that the user chose: every component after `root` has to be ours."""

    root: Path
    """The user's folder; links on the way to it are the user's business."""
    parts: tuple[str, ...] = ()

    def __truediv__(self, name: str) -> OurPath:
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise ValueError(f"{name!r} is not the name of a file")
        return OurPath(self.root, (*self.parts, name))

    @property
    def path(self) -> Path:
        """The same as an ordinary path."""
        return self.root.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """The last component."""
        return self.parts[-1]

    @property
    def folder(self) -> OurPath:
        """The folder that holds it."""
        return OurPath(self.root, self.parts[:-1])

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)


@contextmanager
def opened_folder(folder: OurPath, *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder, reached without following a link below its root.

    Raises: FileNotFoundError: it is not there, and `create` is not set.  RecordError: a component is a link, no folder,
    or somebody else's.
    """
    descriptor = _open_folder(folder, create=create)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(folder_fd: int, path: OurPath, flags: int, mode: int = 0o600) -> int:
    """A descriptor of the regular file `path.name` in an opened folder.

    Never waits for the other end of a pipe, never follows a link.

    Raises: FileNotFoundError: it is not there.  RecordError: it is a link, no regular file, or somebody else's.
    """
    try:
        descriptor = os.open(path.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=folder_fd)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        refuse(path, error)
    try:
        check_ours(descriptor, path, folder=False)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_ours(descriptor: int, path: OurPath | Path, *, folder: bool) -> os.stat_result:
    """What fstat says, once it is known to be a regular file (or a folder) of this user or of root.

    Raises: RecordError: it is something else.
    """
    try:
        found = os.fstat(descriptor)
    except OSError as error:
        refuse(path, error)
    right_kind = stat.S_ISDIR(found.st_mode) if folder else stat.S_ISREG(found.st_mode)
    if not right_kind:
        wanted = "folder" if folder else "regular file"
        raise RecordError(f"{path} is not a {wanted}", remedy="Something else was put there: remove it and try again.")
    if found.st_uid not in {os.geteuid(), 0}:
        raise RecordError(
            f"{path} belongs to user id {found.st_uid}, not to you",
            remedy="Do not trust it: move it away, or work in a folder that only you can write.",
        )
    return found


def refuse(path: OurPath | Path, error: OSError) -> NoReturn:
    """Raise what went wrong with the file as a RecordError."""
    number = error.errno or 0
    if number == errno.ENXIO:  # a FIFO or socket opened for writing
        raise RecordError(f"{path} is not a regular file", remedy="Remove it and try again.") from error
    if number == errno.ENOTDIR:
        raise RecordError(f"{path}: a component is a link or no folder", remedy=_REMEDIES[errno.ELOOP]) from error
    remedy = _REMEDIES.get(number, "Look at the path and at its permissions, then try again.")
    raise RecordError(f"{path}: {os.strerror(number) if number else error}", remedy=remedy) from error


def _open_folder(folder: OurPath, *, create: bool) -> int:
    if create and not folder.root.is_dir():
        _make_root(folder.root)
    try:
        descriptor = os.open(folder.root, _FOLDER)
    except FileNotFoundError:
        raise
    except OSError as error:
        refuse(folder.root, error)
    here = OurPath(folder.root)
    for part in folder.parts:
        here = here / part
        try:
            child = _open_child(descriptor, here, create=create)
        finally:
            os.close(descriptor)
        descriptor = child
    return descriptor


def _open_child(parent: int, here: OurPath, *, create: bool) -> int:
    try:
        child = os.open(here.name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
        return _make_child(parent, here)
    except OSError as error:
        refuse(here, error)
    try:
        check_ours(child, here, folder=True)
    except BaseException:
        os.close(child)
        raise
    return child


def _make_child(parent: int, here: OurPath) -> int:
    try:
        os.mkdir(here.name, 0o700, dir_fd=parent)
        os.fsync(parent)
    except FileExistsError:
        pass  # another client was faster
    except OSError as error:
        refuse(here, error)
    return _open_child(parent, here, create=False)


def _make_root(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        refuse(root, error)
