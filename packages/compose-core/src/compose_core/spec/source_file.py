"""Read the files that a compose file consists of, without being led into devices, pipes or endless data."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class SourceFileError(Exception):
    """The file cannot be read; the text says why, after the words "the file"."""


def read_source(path: Path, *, limit: int) -> bytes:
    """The bytes of a regular file, at most one more than `limit`, so that a longer file can be told.

    Raises: SourceFileError: there is no such file, it is no regular file, or it may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SourceFileError("does not exist") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not allowed"
        raise SourceFileError(f"cannot be read ({reason})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceFileError("is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        try:
            return stream.read(limit + 1)
        except OSError as error:
            raise SourceFileError(f"cannot be read ({error.strerror})") from None
