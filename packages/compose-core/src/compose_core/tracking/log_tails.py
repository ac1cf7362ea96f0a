"""The ends of a job's logs, and what there is to say of the files themselves."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compose_core.errors import RecordError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.log_source import LogSource, batch_log, service_logs
from compose_core.tracking.service_logs import read_logs

_MOST_LINES = 400
"""Lines that are looked through."""
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The end of one log."""

    name: str
    """The service; `batch log` for what the script itself wrote."""
    kind: Literal["service", "batch"]
    file: FileFacts
    lines: tuple[str, ...] = ()
    fault: str = ""
    """Why it cannot be read."""


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


def log_tails(record: JobRecord, services: Sequence[str] = (), *, attempt: int | None = None) -> tuple[LogTail, ...]:
    """The ends of the logs of these services and of the batch log, in this order.

    Raises: UsageError: the job has no such service or attempt.
    """
    sources = service_logs(record, services, attempt=attempt) if services else ()
    return tuple(_tail(source) for source in (*sources, batch_log(record)))


def _tail(source: LogSource) -> LogTail:
    name, kind = (source.name, "service") if source.name else ("batch log", "batch")
    lines: tuple[str, ...] = ()
    fault = ""
    try:
        lines = tuple(line.text[:_LONGEST_LINE] for line in read_logs([source], lines=_MOST_LINES))
    except RecordError as error:
        fault = error.message
    return LogTail(name=name, kind=kind, file=file_facts(source.path), lines=lines, fault=fault)  # type: ignore[arg-type]
