"""What there is to say of a log without reading it."""

from __future__ import annotations

import os
import stat
from typing import Any

from compose_core.frozen import Frozen


class FileFacts(Frozen, kw_only=True):
    """Whether a log is there and when it last grew."""

    path: str
    present: bool = False
    updated_at: float | None = None
    size_bytes: int | None = None

    def as_json(self, now: float) -> dict[str, Any]:
        """The fields of a report; the age is by this machine's clock, while a file server may set the time."""
        age = None if self.updated_at is None else max(0.0, round(now - self.updated_at, 3))
        return {
            "path": self.path,
            "present": self.present,
            "updated_at": self.updated_at,
            "updated_age_seconds": age,
            "size_bytes": self.size_bytes,
        }


def file_facts(path: str | os.PathLike[str]) -> FileFacts:
    """What the file system says; a link or anything else that is no regular file counts as absent."""
    text = os.fspath(path)
    try:
        found = os.lstat(text)
    except (OSError, ValueError):
        return FileFacts(path=text)
    if not stat.S_ISREG(found.st_mode):
        return FileFacts(path=text)
    return FileFacts(path=text, present=True, updated_at=found.st_mtime, size_bytes=found.st_size)
