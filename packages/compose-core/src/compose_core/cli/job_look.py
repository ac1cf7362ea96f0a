"""One look at the job that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.errors import UsageError

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot


def look_at(tools: Tools, record: JobRecord, attempt: int | None = None) -> JobSnapshot:
    """How the job is now, or how one of its earlier attempts was.

    Raises: UsageError: there is no such attempt.
    """
    from compose_core.operations import observe

    if attempt is None:
        return observe(tools.site, [record])[0]
    from compose_core.tracking.earlier_attempt import earlier_attempt, is_newest

    if record.array is not None:
        raise UsageError(
            "the tasks of an array have attempts, the array has none",
            remedy=f"Name one: --job-id {record.job_id}_{record.array.tasks[0]} --attempt {attempt}.",
            code="no-such-attempt",
        )
    if is_newest(record, attempt):
        return observe(tools.site, [record])[0]
    return earlier_attempt(record, attempt, now=tools.site.clock.now())
