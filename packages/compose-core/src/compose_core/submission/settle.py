"""Writing down how a submission ended, so that a crash at any point leaves something that can be finished."""

from __future__ import annotations

from collections.abc import Callable

from compose_core.errors import RecordError
from compose_core.job_state import JobId
from compose_core.records.atomic import remove_file, rename_new
from compose_core.records.claim import Claim
from compose_core.records.intent import Intent
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.outcome import Outcome
from compose_core.submission.context import SubmitContext
from compose_core.submission.facts import job_record


def claim_for(context: SubmitContext, token: str, job_id: str) -> str:
    """The job that may run for the token: this one, unless another has the claim already.

    Whoever finds the claim taken ends before its first service, so a job that turns up late does no harm.
    """
    path = context.project.submission(token).claim
    mine = Claim(
        token=token,
        job_id=job_id,
        host=context.client.process.host,
        at=context.clock.now(),
        pid=context.client.process.pid,
    )
    if mine.create(path):
        return job_id
    owner = Claim.read(path)
    return owner.job_id if owner else job_id


def write_outcome(context: SubmitContext, outcome: Outcome) -> Outcome:
    """The outcome that stands: this one, unless another client wrote one before.

    Raises: RecordError: it cannot be written.
    """
    path = context.project.submission(outcome.token).outcome
    if outcome.create(path):
        return outcome
    return Outcome.read(path) or outcome


def finish(
    context: SubmitContext, intent: Intent, outcome: Outcome, record: JobRecord | None = None
) -> JobRecord | None:
    """Everything that follows from an outcome is on disk: the job record, `latest.json` or its like, no mark any more.

    The record of a submitted job comes back also when it cannot be written; a warning is told, and the mark stays for the
    next command to try again.
    """
    if outcome.job_id is None:
        _try(context, outcome.token, lambda: remove_file(context.project.unresolved_mark(outcome.token)))
        return None
    record = record or job_record(
        intent.facts,
        JobId(outcome.job_id),
        submitted_at=outcome.at,
        user=intent.user,
        cluster=outcome.cluster,
    )
    if _try(context, outcome.token, lambda: _write_record(context, record)):
        _try(context, outcome.token, lambda: remove_file(context.project.unresolved_mark(outcome.token)))
    return record


def read_record(context: SubmitContext, job_id: str, token: str) -> JobRecord | None:
    """The record of this very submission's job; None when there is none, or it is another job's."""
    for path in (context.project.job_record(job_id), context.project.earlier_job_record(job_id, token)):
        try:
            record = JobRecord.read(path)
        except RecordError:
            continue  # rewritten from the intent
        if record and record.submission_token == token:
            return record
    return None


def _write_record(context: SubmitContext, record: JobRecord) -> None:
    path = context.project.job_record(record.job_id)
    if read_record(context, record.job_id, record.submission_token) is None:
        while not record.create(path):
            earlier = _read_or_none(path)
            if earlier is None:
                record.replace(path)  # unreadable: of no use to anybody
                break
            if earlier.submission_token == record.submission_token:
                break
            keep_earlier(context, earlier)
    pointer = context.project.latest_of(record.kind)
    if pointer is not None:
        _point(pointer, record)


def keep_earlier(context: SubmitContext, earlier: JobRecord) -> None:
    """The id was given again: the earlier record keeps its place under a longer name."""
    path = context.project.job_record(earlier.job_id)
    if not rename_new(path, context.project.earlier_job_record(earlier.job_id, earlier.submission_token)):
        remove_file(path)  # it is there already under the longer name


def _point(pointer: OurPath, record: JobRecord) -> None:
    latest = _read_or_none(pointer)
    if latest is None or latest.submitted_at <= record.submitted_at:
        record.replace(pointer)


def _read_or_none(path: OurPath) -> JobRecord | None:
    try:
        return JobRecord.read(path)
    except RecordError:
        return None


def _try(context: SubmitContext, token: str, action: Callable[[], None]) -> bool:
    try:
        action()
    except RecordError as error:
        context.tell("warning", f"{error.message}; the next command tries again", token=token)
        return False
    return True
