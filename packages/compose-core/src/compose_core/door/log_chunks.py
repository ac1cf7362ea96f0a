"""What services have said since the last look, within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compose_core.errors import RecordError, UsageError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.log_source import LogSource, batch_logs, service_logs
from compose_core.tracking.rotated_log import JoinedLog, joined_log

BATCH = "batch"


def log_chunk(
    record: JobRecord, services: Sequence[str] | None, offsets: Mapping[str, int], budget: int, *, is_last: bool
) -> dict[str, Any]:
    """Lines by service, where each log was read up to, and how many bytes were left out so that the newest fit.

    Raises: UsageError: the job has no such service.
    """
    sources = _sources(record, services)
    share = max(1024, budget // max(1, len(sources)))
    lines: list[dict[str, str]] = []
    reached: dict[str, int] = dict(offsets)
    skipped: dict[str, int] = {}
    for source in sources:
        name = source.name or BATCH
        try:
            text, reached[name], left_out = _read(source, offsets.get(name, 0), share, is_last=is_last)
        except RecordError as error:
            lines.append({"service": name, "text": error.message})
            continue
        lines.extend({"service": name, "text": line} for line in text.splitlines())
        if left_out:
            skipped[name] = left_out
    return {"lines": lines, "offsets": reached, "skipped": skipped}


def _sources(record: JobRecord, services: Sequence[str] | None) -> tuple[LogSource, ...]:
    try:
        if services is None:
            return (*service_logs(record), *batch_logs(record))
        named = [name for name in services if name != BATCH]
        found = service_logs(record, named) if named else ()
    except UsageError as error:
        if error.code == "no-such-service":
            raise
        return ()  # no attempt has begun
    return (*found, *batch_logs(record)) if BATCH in services else found


def _read(source: LogSource, offset: int, share: int, *, is_last: bool) -> tuple[str, int, int]:
    """Whole lines from the offset on, the offset after them, and the bytes that were left out before them."""
    stream = joined_log(source)
    if stream is None:
        return "", offset, 0
    with stream:
        begin = stream.begin()
        end = begin + stream.size
        if offset > end:
            offset = begin  # another attempt's log, or one that was emptied
        start = max(offset, begin, end - share)
        data = _from(stream, start - begin)
    left_out = start - offset
    if left_out and b"\n" in data:  # from the middle of a line
        cut = data.index(b"\n") + 1
        data, start, left_out = data[cut:], start + cut, left_out + cut
    if not is_last and len(data) < share:
        data = data[: data.rfind(b"\n") + 1]
    return data.decode("utf-8", "replace"), start + len(data), left_out


def _from(stream: JoinedLog, position: int) -> bytes:
    stream.seek(position)
    return stream.read(stream.size - position)
