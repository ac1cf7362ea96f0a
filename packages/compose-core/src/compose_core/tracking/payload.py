"""Files that a job collected, copied out of its folder without trusting a name or a link in it."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from compose_core.errors import RecordError
from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedEntry:
    """One thing that was copied."""

    relative_path: str
    entry_type: Literal["file", "link", "folder"]
    size_bytes: int = 0
    sha256: str | None = None
    link_target: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "relative_path": self.relative_path,
            "entry_type": self.entry_type,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "link_target": self.link_target,
        }


class NotCopied(Exception):
    """One listed thing stays where it is; the message says why."""


def safe_parts(relative_path: str) -> tuple[str, ...]:
    """The components of a relative path that stays below its folder.

    Raises: NotCopied: it does not, or a name in it holds a control character.
    """
    parts = tuple(relative_path.split("/"))
    if relative_path.startswith("/"):
        raise NotCopied("the path is absolute")
    if any(part in {"", ".", ".."} for part in parts):
        raise NotCopied("the path has a component that is empty, . or ..")
    if not relative_path.isprintable():
        raise NotCopied("a name in the path holds a character that cannot be printed")
    return parts


def beneath(folder: OurPath, relative_path: str) -> OurPath:
    """The path below the folder.

    Raises: NotCopied: it would leave it.
    """
    path = folder
    for part in safe_parts(relative_path):
        path = path / part
    return path


def copy_entry(payload: OurPath, relative_path: str, target: OurPath) -> CopiedEntry:
    """The thing at this path, copied below `target`; only regular files, folders, and links that stay inside.

    Raises: NotCopied: it is gone, or something else.  RecordError: the copy cannot be written.
    """
    source = beneath(payload, relative_path)
    copy = beneath(target, relative_path)
    try:
        with _source_folder(source) as folder:
            kind = os.stat(source.name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISREG(kind):
                return _copy_file(folder, source, copy, relative_path)
            if stat.S_ISLNK(kind):
                return _copy_link(os.readlink(source.name, dir_fd=folder), copy, relative_path)
    except FileNotFoundError:
        raise NotCopied("it is not in the payload") from None
    except OSError as error:
        raise NotCopied(os.strerror(error.errno or 0)) from error
    if not stat.S_ISDIR(kind):
        raise NotCopied("it is neither a file, a folder nor a link")
    with opened_folder(copy, create=True):
        return CopiedEntry(relative_path=relative_path, entry_type="folder")


@contextmanager
def _source_folder(source: OurPath) -> Iterator[int]:
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(opened_folder(source.folder))
        except RecordError as error:
            raise NotCopied(f"on the way to it, {error.message}") from error
        yield descriptor


def _copy_file(folder: int, source: OurPath, copy: OurPath, relative_path: str) -> CopiedEntry:
    try:
        reader = open_file(folder, source, os.O_RDONLY)
    except RecordError as error:
        raise NotCopied(error.message) from error
    digest, size = hashlib.sha256(), 0
    with os.fdopen(reader, "rb") as data, opened_folder(copy.folder, create=True) as target:
        before = os.fstat(reader)
        mode = 0o600 | (before.st_mode & 0o100)
        try:
            writer = open_file(target, copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(writer, "wb") as output:
                while piece := data.read(_CHUNK):
                    digest.update(piece)
                    size += len(piece)
                    output.write(piece)
                output.flush()
                os.fsync(output.fileno())
                os.utime(output.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        except OSError as error:
            refuse(copy, error)
    return CopiedEntry(relative_path=relative_path, entry_type="file", size_bytes=size, sha256=digest.hexdigest())


def _copy_link(link: str, copy: OurPath, relative_path: str) -> CopiedEntry:
    """A link is made anew when it stays inside by its text alone; where it leads is never looked at."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(relative_path), link))
    if link.startswith("/") or end == ".." or end.startswith("../"):
        raise NotCopied("it is a link that leaves the job folder")
    if not link.isprintable():
        raise NotCopied("it is a link whose target cannot be printed")
    with opened_folder(copy.folder, create=True) as target:
        try:
            os.symlink(link, copy.name, dir_fd=target)
        except OSError as error:
            refuse(copy, error)
    return CopiedEntry(relative_path=relative_path, entry_type="link", link_target=link)
