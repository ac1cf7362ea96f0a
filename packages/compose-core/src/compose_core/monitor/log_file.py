"""A log to which each batch of records is added exactly once, wherever its writer was killed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from compose_core.errors import RecordError

_LOOKED_AT = 64 * 1024 * 1024
"""Somebody else may write into the log, too; so far back a batch is looked for."""


class LogFile:
    """One file of the user's that grows at its end; 0600 when we make it.

    Who writes asks for `size` and keeps it together with what is to be written, in a file of its own. After a kill,
    `complete` with both adds what is missing: nothing, the rest of a line, or everything.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """How long the file is; 0 without one.

        Raises: RecordError: it cannot be looked at.
        """
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _refused(self.path, error) from error

    def complete(self, batch: bytes, *, since: int) -> None:
        """The file holds the batch behind this size afterwards, once, and on disk.

        Raises: RecordError: it cannot be written; a part may have been, and another call adds the rest.
        """
        if not batch:
            return
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise _refused(self.path, error) from error
        try:
            missing = _missing(descriptor, batch, since)
            while missing:
                missing = missing[os.write(descriptor, missing) :]
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.fsync(descriptor)
        except OSError as error:
            raise _refused(self.path, error) from error
        finally:
            os.close(descriptor)


def _missing(descriptor: int, batch: bytes, since: int) -> bytes:
    """What of the batch is not in the file yet; all of it, on a line of its own, when others wrote between."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return batch
    begin = since if since <= found.st_size else 0  # a shorter file is another one: the log was rotated
    there = os.pread(descriptor, _LOOKED_AT, begin) if begin < found.st_size else b""
    if batch in there:
        return b""
    if batch.startswith(there):
        return batch[len(there) :]
    return batch if there.endswith(b"\n") else b"\n" + batch


def _refused(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"{path} cannot be written: {error.strerror}", remedy="Name a file in a folder that exists and is yours."
    )
