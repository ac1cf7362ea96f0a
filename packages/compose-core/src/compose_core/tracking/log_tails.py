"""The ends of a job's logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compose_core.errors import RecordError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.file_facts import FileFacts, file_facts
from compose_core.tracking.log_source import LogSource, batch_log, service_logs
from compose_core.tracking.service_logs import read_logs

_MOST_LINES = 400
"""Lines that are looked through."""
_LONGEST_LINE = 2000


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
