"""Which files hold a job's output, and where in them a moment lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compose_core.errors import UsageError
from compose_core.records.attempts import of_newest_attempt
from compose_core.records.job_record import JobRecord
from compose_core.records.line_stream import json_rows
from compose_core.records.our_path import OurPath
from compose_core.records.paths import JobPaths
from compose_core.tracking.job_files import attempt_paths
from compose_core.tracking.task_records import task_records

INDEX_S = 5.0
"""The time index of a log that grows gets a row this often."""
_INDEX_BYTES = 64 * 1024 * 1024
"""Of a longer index its end is read: a row has about 45 bytes, so that is three months of a log that never rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """One log."""

    name: str
    """The service, in an array behind its task: `3/app`; empty for the batch script's own output."""
    path: OurPath
    index: OurPath | None = None
    """Maps times to offsets; None: there is none."""
    paths: JobPaths | None = None
    """Of the job whose newest attempt is meant, as far as it is known by now; None: this one file."""

    def newest(self) -> LogSource:
        """The same log of what is the newest attempt now.

        Raises: RecordError: the job folder cannot be read, or is not ours.
        """
        paths = of_newest_attempt(self.paths) if self.paths else None
        if paths is None or paths == self.paths:
            return self
        index = paths.logs / self.index.name if self.index else None
        return replace(self, path=paths.logs / self.path.name, index=index, paths=paths)


def service_logs(
    record: JobRecord, services: Sequence[str] = (), *, attempt: int | None = None
) -> tuple[LogSource, ...]:
    """The logs of these services, of all when none is named; of the newest attempt unless another one is named.

    Of an array those of every task, named `<task>/<service>`.

    Raises: UsageError: the job has no such service or attempt.
    """
    unknown = [name for name in services if name not in record.services]
    if unknown:
        raise UsageError(
            f"job {record.job_id} has no service {unknown[0]!r}",
            remedy=f"It has: {', '.join(record.services) or 'none'}.",
            code="no-such-service",
        )
    if record.array is not None:
        tasks = task_records(record)
        return tuple(
            _of_task(source, task) for task in tasks for source in service_logs(task, services, attempt=attempt)
        )
    paths = attempt_paths(record, attempt)
    return tuple(service_log(paths, name, follows=attempt is None) for name in services or record.services)


def _of_task(source: LogSource, task: JobRecord) -> LogSource:
    """The log of a task beside those of others: `3/app`."""
    return replace(source, name=f"{task.array_task_id}/{source.name}")


def service_log(paths: JobPaths, service: str, *, follows: bool = False) -> LogSource:
    """The log of one service; with `follows`, a follower goes on with the attempts to come."""
    return LogSource(
        name=service,
        path=paths.log(service),
        index=paths.log_index(service),
        paths=paths if follows else None,
    )


def batch_log(record: JobRecord) -> LogSource:
    """What the batch script itself wrote, where Slurm keeps it."""
    path = Path(record.batch_log)
    return LogSource(name="", path=OurPath(path.parent) / path.name)


def batch_logs(record: JobRecord) -> tuple[LogSource, ...]:
    """The batch log under the name `batch`; of an array that of every task, named `<task>/batch`."""
    tasks = task_records(record)
    return tuple(replace(batch_log(task), name=_batch_name(task)) for task in tasks)


def _batch_name(record: JobRecord) -> str:
    return "batch" if record.array_task_id is None else f"{record.array_task_id}/batch"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a log in bytes."""

    start: int = 0
    end: int | None = None
    """None: as far as it goes."""
    is_exact: bool = True
    """False: no time index tells where the moment lies, so nothing was left out."""


def span_of(source: LogSource, *, since: float | None = None, until: float | None = None) -> Span:
    """The part written between two moments (epoch seconds), exact to the interval of the time index.

    Raises: RecordError: the index is no regular file of ours.
    """
    if since is None and until is None:
        return Span()
    start, end, before_end, is_known = 0, None, 0, False
    for at, offset in index_rows(source):
        is_known = True
        if since is not None and at <= since:
            start = max(start, offset)
        if until is not None and at < until:
            before_end = max(before_end, offset)
        elif until is not None and (end is None or offset < end[0]):
            end = (offset, at)
    if not is_known:
        return Span(is_exact=False)
    if end is None or until is None:
        return Span(start)
    was_silent = end[1] - until > 2 * INDEX_S  # what the row tells of was written right before it
    return Span(start, max(start, before_end if was_silent else end[0]))


def file_begins(source: LogSource) -> dict[int, int]:
    """Of each file of a rotated log, by inode number, how many bytes the log had got before its first one."""
    if source.index is None:
        return {}
    rows = ((row.get("file"), row.get("offset")) for row in json_rows(source.index, last_bytes=_INDEX_BYTES))
    return {file: offset for file, offset in rows if type(file) is int and type(offset) is int and offset >= 0}


def index_rows(source: LogSource) -> Iterator[tuple[float, int]]:
    """Time and number of bytes of each row of the time index; what is no time and offset is left out.

    Raises: RecordError: the index is no regular file of ours.
    """
    if source.index is None:
        return
    for row in json_rows(source.index, last_bytes=_INDEX_BYTES):
        at, offset = row.get("at"), row.get("offset")
        if isinstance(at, int | float) and type(offset) is int and 0 <= offset < 2**62:
            yield float(at), offset
