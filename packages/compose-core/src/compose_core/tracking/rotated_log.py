"""A log and the full files that were rotated away from it, read as one stream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from compose_core.records.our_path import OurPath, open_file, opened_folder
from compose_core.tracking.log_source import LogSource, file_begins

_TRIES = 8
"""A rotation while the files are opened is noticed, and they are opened once more."""
_MOST_FILES = 1000
Identity = tuple[int, int]


@dataclass(slots=True)
class LogFile:
    """One open file of a log."""

    descriptor: int
    identity: Identity
    """Device and inode: the same whatever its name becomes."""
    size: int
    """When it was opened."""
    modified_at: float = 0.0

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to so many bytes."""
        return os.pread(self.descriptor, count, offset)


class JoinedLog:
    """Several files as one stream of bytes, the oldest first; what is written after they were opened is no part of it."""

    def __init__(self, source: LogSource, files: list[LogFile]) -> None:
        self._source = source
        self.files = files
        self.size = sum(file.size for file in files)
        self._position = 0

    def __enter__(self) -> JoinedLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_all(self.files)

    def begin(self, begins: Mapping[int, int] | None = None) -> int:
        """How many bytes the log got before the first that is still there; `begins` is what its index says of its files."""
        newest = self.files[-1]
        if begins is None or (begins and newest.identity[1] not in begins):
            begins = file_begins(self._source)
        return max(0, begins.get(newest.identity[1], 0) - (self.size - newest.size))

    def seek(self, position: int) -> None:
        """Read from there."""
        self._position = position

    def read(self, count: int) -> bytes:
        """So many bytes; fewer at the end only."""
        start, pieces = 0, list[bytes]()
        for file in self.files:
            inside = self._position - start
            if count > 0 and inside < file.size:
                data = file.read_at(inside, min(count, file.size - inside))
                pieces.append(data)
                self._position += len(data)
                count -= len(data)
            start += file.size
        return b"".join(pieces)


def joined_log(source: LogSource) -> JoinedLog | None:
    """All files of the log; None when there is none.

    Raises: RecordError: one of them is no regular file of ours.
    """
    files = open_files(source)
    return JoinedLog(source, files) if files else None


def open_files(source: LogSource, until: Identity | None = None) -> list[LogFile]:
    """The files of the log for the caller to close, the oldest first, back to the one with this identity.

    Raises: RecordError: one of them is no regular file of ours.
    """
    files: list[LogFile] = []
    for _ in range(_TRIES):
        close_all(files)
        files, is_whole = _open_once(source, until)
        if is_whole:
            break
    return files[::-1]


def _open_once(source: LogSource, until: Identity | None) -> tuple[list[LogFile], bool]:
    """The files, the newest first, and whether none was rotated meanwhile."""
    files: list[LogFile] = []
    try:
        with opened_folder(source.path.folder) as folder:
            for number in range(_MOST_FILES if source.index else 1):
                file = _opened(folder, _name(source.path, number))
                if file is None:
                    is_between = number == 0 and source.index and _opened(folder, _name(source.path, 1))
                    return ([is_between], False) if is_between else (files, True)
                files.append(file)
                if any(file.identity == other.identity for other in files[:-1]):
                    return files, False
                if file.identity == until:
                    break
    except FileNotFoundError:
        return [], True
    except BaseException:
        close_all(files)
        raise
    return files, True


def _name(path: OurPath, number: int) -> OurPath:
    return path if number == 0 else path.folder / f"{path.name}.{number}"


def close_all(files: list[LogFile]) -> None:
    """Give the descriptors back."""
    for file in files:
        os.close(file.descriptor)


def _opened(folder: int, path: OurPath) -> LogFile | None:
    try:
        descriptor = open_file(folder, path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    found = os.fstat(descriptor)
    return LogFile(descriptor, (found.st_dev, found.st_ino), found.st_size, found.st_mtime)
