"""Files in folders that others may write to as well: opened without following links, replaced whole, owners checked."""

import errno
import json
import os
import stat
import threading
from typing import Any, Dict, List, Optional, Set

from compose_core.supervisor.talk import Refused

SCHEMA_VERSION = 1
Json = Dict[str, Any]
READ_LIMIT = 1024 * 1024


def json_line(value: Json) -> bytes:
    """`value` as one line of ASCII JSON."""
    return (json.dumps(value, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def open_folder(name: str, parent: Optional[int] = None, create: bool = True, shown: str = "") -> int:
    """A descriptor of the folder `name`, made when it is missing.

    Raises: Refused: it is a symbolic link, no folder, or somebody else's.
    """
    shown = shown or name
    if create:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused("{} is a symbolic link or no folder: remove it and submit again".format(shown)) from None
        raise
    _check_owner(os.fstat(descriptor), shown, descriptor)
    return descriptor


def open_file(name: str, flags: int, folder: int, shown: str = "") -> int:
    """A descriptor of the regular file `name`; never waits for the other end of a pipe, never follows a link.

    Raises: Refused: it is a link, no regular file, or somebody else's.
    """
    shown = shown or name
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise Refused(
                "{} is a symbolic link or no regular file: remove it and submit again".format(shown)
            ) from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Refused("{} is no regular file: remove it and submit again".format(shown))
    _check_owner(found, shown, descriptor)
    return descriptor


def _check_owner(found: os.stat_result, shown: str, descriptor: int) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        os.close(descriptor)
        raise Refused("{} belongs to user id {}, not to you: move it away".format(shown, found.st_uid))


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data` is written, or OSError is raised."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(name: str, data: bytes, folder: int) -> None:
    """A synced file `name` that held nothing before; a leftover of that name is removed."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    descriptor = open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)


def create_once(name: str, data: bytes, folder: int) -> None:
    """A synced file `name`, unless somebody else has made it."""
    try:
        descriptor = open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
    except FileExistsError:
        return
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(name: str, data: bytes, folder: int) -> None:
    """The file holds `data` afterwards; at any moment it holds all of the old or all of the new."""
    temporary = ".{}.{}.tmp".format(name, os.getpid())
    write_new(temporary, data, folder)
    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def read_json(name: str, folder: int) -> Json:
    """The JSON object in the file; empty when there is none or it is damaged."""
    try:
        descriptor = open_file(name, os.O_RDONLY, folder)
    except (OSError, Refused):
        return {}
    with os.fdopen(descriptor, "rb") as stream:
        try:
            value = json.loads(stream.read(8 * READ_LIMIT).decode("utf-8"))
        except (OSError, ValueError):
            return {}
    return value if isinstance(value, dict) else {}


def json_object_lines(name: str, folder: int) -> List[Json]:
    """The objects in a JSON Lines file, of its last part when it is long; none when it cannot be read."""
    try:
        descriptor = open_file(name, os.O_RDONLY, folder)
    except (OSError, Refused):
        return []
    with os.fdopen(descriptor, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 8 * READ_LIMIT))
        lines = stream.read(8 * READ_LIMIT).split(b"\n")
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line.decode("utf-8")))
        except ValueError:
            continue  # torn or cut
    return [row for row in rows if isinstance(row, dict)]


class JobFolder:
    """The job's folder: every write goes through its descriptors, so no link planted later redirects it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._folders = {"": descriptor}
        self._torn: Set[str] = set()
        self._appending = threading.Lock()

    def folder(self, name: str) -> int:
        """The descriptor of a folder below the job's; "" is the job's own."""
        if name not in self._folders:
            self._folders[name] = open_folder(name, self._folders[""], shown=os.path.join(self.path, name))
        return self._folders[name]

    def open(self, folder: str, name: str, flags: int) -> int:
        """A descriptor of a regular file of ours."""
        return open_file(name, flags, self.folder(folder), os.path.join(self.path, folder, name))

    def replace(self, folder: str, name: str, value: Json) -> None:
        """The file holds `value` afterwards."""
        replace_file(name, json_line(value), self.folder(folder))

    def append(self, folder: str, name: str, value: Json) -> None:
        """One more line in a JSON Lines file."""
        self.append_lines(folder, name, json_line(value))

    def append_lines(self, folder: str, name: str, data: bytes) -> None:
        """Whole lines at the end of a file, in one write; a line that an earlier failure tore is closed first."""
        key = folder + "/" + name
        with self._appending:
            descriptor = self.open(folder, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                if key in self._torn:
                    data = b"\n" + data
                self._torn.add(key)
                write_all(descriptor, data)
                self._torn.discard(key)
            finally:
                os.close(descriptor)
