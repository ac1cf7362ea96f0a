"""The job that a command means, once everything that hangs in the air is settled."""

from __future__ import annotations

from compose_core.errors import NoSuchJob, SubmissionUnresolved
from compose_core.records.job_record import JobRecord
from compose_core.submission.context import SubmitContext
from compose_core.submission.resolve import Resolution, resolve_pending
from compose_core.tracking.find_job import find_job


def current_job(context: SubmitContext, job_id: str | None = None) -> tuple[JobRecord, tuple[Resolution, ...]]:
    """The record of the job that is asked for, else of the newest one, and what unsettled submissions turned out to be.

    Raises: NoSuchJob: there is none.  SubmissionUnresolved: no id was given, and the newest submission
    is not settled yet.
    """
    pending = resolve_pending(context)
    open_ones = [resolution for resolution in pending if resolution.status in {"in_flight", "unanswered", "doubtful"}]
    newest = open_ones[-1] if open_ones and job_id is None else None
    try:
        record = find_job(context.project, job_id)
    except NoSuchJob:
        if newest is None:
            raise
        record = None
    if newest and (record is None or (newest.created_at or 0) > record.submitted_at):
        raise SubmissionUnresolved(
            f"submission {newest.token} has no job yet: {newest.message}",
            remedy="Run the command again when the scheduler answers, or name an earlier job by its id.",
        )
    assert record is not None
    return record, pending
