"""Files that are whole or absent: replace, create once, append one line, read within a limit."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from compose_core.errors import RecordError
from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse

TEMPORARY_PREFIX = ".tmp-"
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def make_folder(folder: OurPath) -> None:
    """The folder exists afterwards, 0700, and so do the folders above it up to its root.

    Raises: RecordError: it cannot be made.
    """
    with opened_folder(folder, create=True):
        pass


def make_new_folder(folder: OurPath) -> bool:
    """True when this call made the folder, False when it was there: of several callers one gets True.

    Raises: RecordError: it cannot be made.
    """
    with opened_folder(folder.folder, create=True) as above:
        try:
            os.mkdir(folder.name, 0o700, dir_fd=above)
            os.fsync(above)
        except FileExistsError:
            return False
        except OSError as error:
            refuse(folder, error)
    return True


def replace_file(path: OurPath, data: bytes) -> None:
    """The file holds `data` afterwards, on disk; a reader sees the old or the new content, never a mixture.

    Raises: RecordError: it cannot be written; the old content stays.
    """
    with opened_folder(path.folder, create=True) as folder, _temporary(folder, path, data) as (name, _):
        try:
            os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except OSError as error:
            refuse(path, error)


def create_file(path: OurPath, data: bytes) -> bool:
    """True when this call made the file, False when it was there: of several callers one gets True, also over NFS.

    Raises: RecordError: it cannot be written.
    """
    with opened_folder(path.folder, create=True) as folder, _temporary(folder, path, data) as (name, descriptor):
        try:
            os.link(name, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            # A file server may have linked and lost the answer; the link count tells.
            if os.fstat(descriptor).st_nlink < 2:
                return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                refuse(path, error)
            return _create_without_links(folder, path, data)
        try:
            os.fsync(folder)
        except OSError as error:
            refuse(path, error)
    return True


def create_files(folder: OurPath, files: Mapping[str, bytes]) -> None:
    """New files of these names are in the folder afterwards; only the folder is synced, however many they are.

    A client or a machine that dies meanwhile leaves some of them, perhaps torn: this is for files that are checked when they
    are read, or can be made again.

    Raises: RecordError: one is there already with another content, or cannot be written.
    """
    with opened_folder(folder, create=True) as descriptor:
        for name, data in files.items():
            _create_or_compare(descriptor, folder / name, data)
        os.fsync(descriptor)


def _create_or_compare(folder: int, path: OurPath, data: bytes) -> None:
    try:
        descriptor = open_file(folder, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        if read_file(path, max_bytes=len(data)) != data:
            raise RecordError(f"{path} is there already", remedy="Look at it and move it away.") from None
        return
    except OSError as error:
        refuse(path, error)
    try:
        _write_all(descriptor, data)
    except OSError as error:
        refuse(path, error)
    finally:
        os.close(descriptor)


def append_line(path: OurPath, line: bytes) -> None:
    """One more line at the end of the file, written at once and on disk; a torn line before it is closed first.

    Raises: RecordError: it cannot be written.
    """
    with opened_folder(path.folder, create=True) as folder:
        try:
            descriptor = open_file(folder, path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            refuse(path, error)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = (b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n"
            if os.write(descriptor, data) != len(data):
                raise RecordError(f"{path}: only a part of a line could be written", remedy="Free some space there.")
            os.fsync(descriptor)
        except OSError as error:
            refuse(path, error)
        finally:
            os.close(descriptor)


def read_file(path: OurPath, *, max_bytes: int) -> bytes | None:
    """What the file holds; None when there is none.

    Raises: RecordError: it is larger than `max_bytes`, cannot be read, or is not a regular file of ours.
    """
    try:
        with opened_folder(path.folder) as folder:
            descriptor = open_file(folder, path, os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as stream:
                data = stream.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse(path, error)
    if len(data) > max_bytes:
        raise RecordError(
            f"{path} is larger than {max_bytes} bytes, so it is not what hpc-compose wrote",
            remedy="Look at it and move it away.",
        )
    return data


def file_exists(path: OurPath) -> bool:
    """Something of ours lies there.

    Raises: RecordError: a link or something foreign is on the way.
    """
    try:
        with opened_folder(path.folder) as folder:
            os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        refuse(path, error)
    return True


def remove_file(path: OurPath) -> None:
    """The file is gone afterwards; no complaint when it was not there.

    Raises: RecordError: it cannot be removed.
    """
    try:
        with opened_folder(path.folder) as folder:
            os.unlink(path.name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        refuse(path, error)


def rename_new(path: OurPath, new: OurPath) -> bool:
    """True when the file got the new name in its folder; False when that name is taken or the file is gone.

    Raises: RecordError: it cannot be renamed.
    """
    try:
        with opened_folder(path.folder) as folder:
            try:
                os.link(path.name, new.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS or file_exists(new):
                    raise
                os.rename(path.name, new.name, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                os.unlink(path.name, dir_fd=folder)
            os.fsync(folder)
    except (FileNotFoundError, FileExistsError):
        return False
    except OSError as error:
        refuse(path, error)
    return True


@dataclass(frozen=True, slots=True)
class Name:
    """One name in a folder."""

    name: str
    kind: Literal["file", "folder", "other"]
    """`other`: a link, pipe, socket or device."""


def names_in(folder: OurPath) -> tuple[Name, ...]:
    """The names in the folder in order, temporary ones left out; none when there is no folder.

    Raises: RecordError: it cannot be read.
    """
    try:
        with opened_folder(folder) as descriptor, os.scandir(descriptor) as entries:
            found = [Name(entry.name, _kind(entry)) for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        refuse(folder, error)
    return tuple(sorted(found, key=lambda name: name.name))


def remove_old_temporaries(folder: OurPath, *, before_epoch_s: float, of: str = "") -> None:
    """What killed writers left behind in the folder is gone, as far as it is older than that.

    In a folder that is not ours alone, `of` names the one file whose writers are meant.

    Raises: RecordError: the folder cannot be read.
    """
    try:
        with opened_folder(folder) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                temporary = entry.name.startswith(f"{TEMPORARY_PREFIX}{of}-" if of else TEMPORARY_PREFIX)
                if not temporary or entry.is_dir(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_mtime < before_epoch_s:
                    os.unlink(entry.name, dir_fd=descriptor)
    except FileNotFoundError:
        return
    except OSError as error:
        refuse(folder, error)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "other"]:
    if entry.is_file(follow_symlinks=False):
        return "file"
    return "folder" if entry.is_dir(follow_symlinks=False) else "other"


@contextmanager
def _temporary(folder: int, path: OurPath, data: bytes) -> Iterator[tuple[str, int]]:
    """A synced file with the content under a name of its own; that name is gone afterwards."""
    name = f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        descriptor = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
        )
    except OSError as error:
        refuse(path, error)
    try:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError as error:
            refuse(path, error)
        yield name, descriptor
    finally:
        os.close(descriptor)
        _forget(folder, name)


def _forget(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return  # renamed into place, or reaped later: a temporary name is never read


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _create_without_links(folder: int, path: OurPath, data: bytes) -> bool:
    """The next best on a file system without hard links: one creator, but a crash may leave a torn file."""
    try:
        descriptor = open_file(folder, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
        os.fsync(folder)
    except OSError as error:
        refuse(path, error)
    finally:
        os.close(descriptor)
    return True
