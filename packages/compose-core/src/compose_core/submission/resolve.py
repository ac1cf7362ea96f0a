"""What became of a submission whose answer nobody wrote down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compose_core.cluster.engine import Answer, EngineName, JobRow, Rows, Unavailable
from compose_core.errors import RecordError
from compose_core.job_state import JobId
from compose_core.records.absence import Absence
from compose_core.records.atomic import names_in, remove_file, remove_old_temporaries
from compose_core.records.cancel_mark import cancel_is_requested, request_cancel
from compose_core.records.claim import Claim
from compose_core.records.handover import Handover
from compose_core.records.intent import Intent
from compose_core.records.outcome import Outcome
from compose_core.records.token import parse_token, token_time
from compose_core.submission.context import SubmitContext
from compose_core.submission.settle import (
    claim_for,
    finish,
    write_outcome,
)

Status = Literal["settled", "in_flight", "unanswered", "doubtful", "absent", "broken"]
_SEARCH_BEFORE_S = 3600.0
_ABSENT = "the scheduler never took it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is known of one submission after a look."""

    token: str
    status: Status
    """`settled`: its outcome is written. `in_flight`: its client is at work. `unanswered`: the queue could not be asked.
    `doubtful`: not found so far, ask again later. `absent`: the scheduler never took it; it may be submitted again with
    this token. `broken`: its files cannot be read."""
    name: str = ""
    engine: EngineName | None = None
    run_key: str | None = None
    created_at: float | None = None
    outcome: Outcome | None = None
    message: str = ""

    @property
    def job_id(self) -> str | None:
        """The job that it became."""
        return self.outcome.job_id if self.outcome else None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "token": self.token,
            "status": self.outcome.outcome if self.outcome else self.status,
            "name": self.name,
            "engine": self.engine,
            "run_key": self.run_key,
            "created_at": self.created_at,
            "job_id": self.job_id,
            "message": self.message,
        }


def resolve_pending(context: SubmitContext) -> tuple[Resolution, ...]:
    """One look at every submission of the project that is not settled, oldest first; no waiting.

    A job that was taken is recorded, one that never was handed over is closed.
    """
    found = []
    for name in names_in(context.project.unresolved):
        try:
            token = parse_token(name.name)
        except ValueError:
            continue
        found.append(resolve(context, token))
    if any(resolution.status == "settled" for resolution in found):
        _sweep_up(context)
    return tuple(found)


def resolve(context: SubmitContext, token: str) -> Resolution:
    """One look at one submission; the same however often it is repeated."""
    try:
        intent = Intent.read(context.project.submission(token).intent)
        if intent is None:
            return _without_intent(context, token)
        return look(context, intent)
    except RecordError as error:
        return Resolution(token=token, status="broken", message=f"{error.message} ({error.remedy})")


def look(context: SubmitContext, intent: Intent, *, mine: bool = False) -> Resolution:
    """One look at the submission of this intent; `mine`: this very process handed it over and wants to know.

    Raises: RecordError: a file of it cannot be read or written.
    """
    paths = context.project.submission(intent.token)
    if outcome := Outcome.read(paths.outcome):
        finish(context, intent, outcome)
        return _resolution(intent, "settled", outcome=outcome)
    handover = latest_handover(context, intent.token)
    if not mine and context.is_in_flight(handover or intent):
        return _resolution(intent, "in_flight", message="its client is at work")
    if handover is None or handover.purpose == "abandon":
        return _abandon(context, intent, handover)
    if claim := Claim.read(paths.claim):
        return adopt(context, intent, claim.job_id, how="claim")
    absence = Absence.read(paths.absence)
    known = absence if absence and absence.first_at >= handover.at else None
    if known and _is_confirmed(context, intent, known) and not mine:
        return _close_absent(context, intent)
    return _search(context, intent, handover, known, mine=mine)


def adopt(
    context: SubmitContext, intent: Intent, job_id: str, *, how: Literal["queue", "accounting", "claim"]
) -> Resolution:
    """The job is this submission's: written down, and cancelled when that was asked for."""
    outcome = Outcome(token=intent.token, outcome="submitted", job_id=job_id, at=context.clock.now(), how=how)
    outcome = write_outcome(context, outcome)
    if outcome.job_id != job_id:  # another client adopted a twin; the claim alone decides
        outcome = outcome.model_copy(
            update={"outcome": "submitted", "job_id": claim_for(context, intent.token, job_id)}
        )
        outcome.replace(context.project.submission(intent.token).outcome)
    finish(context, intent, outcome)
    context.tell("adopted", f"job {outcome.job_id} is the one that was submitted", token=intent.token, job_id=job_id)
    if cancel_is_requested(context.project.submission(intent.token)):
        cancel_now(context, intent, str(outcome.job_id))
    return _resolution(intent, "settled", outcome=outcome, message=f"found by its {how}")


def cancel_now(context: SubmitContext, intent: Intent, job_id: str) -> None:
    """The scheduler is asked to end the job; what it answers is told, its end is for others to observe."""
    engine = context.engine_named(intent.engine)
    answer = engine.cancel(JobId(job_id), token=intent.token) if engine else None
    if answer is None or not answer.requested:
        why = answer.message if answer else f"it belongs to the {intent.engine} engine"
        context.tell("warning", f"job {job_id} could not be cancelled: {why}", token=intent.token, job_id=job_id)


def latest_handover(context: SubmitContext, token: str) -> Handover | None:
    """The newest mark of a hand-over; None when the script was never handed over."""
    attempts = [
        int(suffix)
        for name in names_in(context.project.submission(token).folder)
        if (suffix := name.name.removeprefix("submitting.")).isascii() and suffix.isdigit()
    ]
    return Handover.read(context.project.submission(token).handover(max(attempts))) if attempts else None


def _search(
    context: SubmitContext, intent: Intent, handover: Handover, absence: Absence | None, *, mine: bool
) -> Resolution:
    """Ask the queue and the accounting for the token."""
    engine = context.engine_named(intent.engine)
    if engine is None:
        why = f"it went to the {intent.engine} engine, and this command uses the {context.engine.name} engine"
        return _resolution(intent, "doubtful", message=why)
    queue, accounting = engine.find_token(intent.token, since_epoch_s=intent.created_at - _SEARCH_BEFORE_S)
    rows = _rows_of(queue, intent.token) + _rows_of(accounting, intent.token)
    if rows:
        return _found(context, intent, rows)
    if not _is_good(queue):
        return _resolution(intent, "unanswered", message=_why(queue))
    now = context.clock.now()
    handed_over_lately = 0 <= now - handover.at < context.patience.purge_s
    if not handed_over_lately and not _is_good(accounting) and not _has_no_accounting(accounting):
        return _resolution(
            intent, "doubtful", message=f"not in the queue, and the accounting is silent: {_why(accounting)}"
        )
    absence = Absence(token=intent.token, first_at=absence.first_at if absence else now, last_at=now)
    absence.replace(context.project.submission(intent.token).absence)
    if not _is_confirmed(context, intent, absence):
        return _resolution(intent, "doubtful", message="not in the queue so far")
    return _resolution(intent, "absent", message=_ABSENT) if mine else _close_absent(context, intent)


def _found(context: SubmitContext, intent: Intent, rows: Sequence[JobRow]) -> Resolution:
    """Several jobs with one token: the one that owns the claim stays, the others go."""
    states = {str(row.array_job_id or row.job_id): row for row in reversed(rows)}  # the queue's word stands last
    order = sorted(states, key=lambda job_id: (states[job_id].state.is_terminal, _number(job_id)))
    keep = claim_for(context, intent.token, order[0])
    for job_id in order:
        if job_id == keep or states[job_id].state.is_terminal:
            continue
        context.tell("warning", f"job {job_id} is a twin of job {keep} and gets cancelled", token=intent.token)
        cancel_now(context, intent, job_id)
    how: Literal["queue", "accounting"] = "accounting" if rows[0].source == "sacct" else "queue"
    return adopt(context, intent, keep, how=how if keep in states else "claim")


def _close_absent(context: SubmitContext, intent: Intent) -> Resolution:
    """The scheduler never took it: with a run key it stays open for the next `up`, without one it is closed for good."""
    cancelled = cancel_is_requested(context.project.submission(intent.token))
    if intent.run_key is not None and not cancelled:
        return _resolution(intent, "absent", message=f"{_ABSENT}; `up` with its run key submits it")
    return close(context, intent, "cancelled" if cancelled else "abandoned", _ABSENT)


def close(
    context: SubmitContext, intent: Intent, what: Literal["refused", "cancelled", "abandoned"], message: str
) -> Resolution:
    """The submission ends without a job. Should one turn up late nevertheless, it ends before its first service."""
    request_cancel(context.project.submission(intent.token))
    # In this order: a job claims first and looks for the request second, so one of the two sees the other.
    if claim := Claim.read(context.project.submission(intent.token).claim):
        return adopt(context, intent, claim.job_id, how="claim")
    outcome = Outcome(token=intent.token, outcome=what, at=context.clock.now(), message=message)
    outcome = write_outcome(context, outcome)
    finish(context, intent, outcome)
    return _resolution(intent, "settled", outcome=outcome, message=outcome.message)


def _abandon(context: SubmitContext, intent: Intent, handover: Handover | None) -> Resolution:
    """Its client died before handing it over: make sure that nobody does any more."""
    if handover is None:
        mark = new_handover(context, intent.token, 1, purpose="abandon")
        if not mark.create(context.project.submission(intent.token).handover(1)):
            return _resolution(intent, "in_flight", message="its client is at work")
    what: Literal["cancelled", "abandoned"] = (
        "cancelled" if cancel_is_requested(context.project.submission(intent.token)) else "abandoned"
    )
    outcome = Outcome(
        token=intent.token, outcome=what, at=context.clock.now(), message="its client ended before submitting it"
    )
    outcome = write_outcome(context, outcome)
    finish(context, intent, outcome)
    return _resolution(intent, "settled", outcome=outcome, message=outcome.message)


def new_handover(
    context: SubmitContext, token: str, attempt: int, *, purpose: Literal["submit", "abandon"] = "submit"
) -> Handover:
    """The mark of this client for the n-th hand-over."""
    process = context.client.process
    return Handover(
        token=token,
        attempt=attempt,
        purpose=purpose,
        at=context.clock.now(),
        host=process.host,
        boot_id=process.boot_id,
        pid=process.pid,
        start_ticks=process.start_ticks,
    )


def _without_intent(context: SubmitContext, token: str) -> Resolution:
    """The folder or only the mark was made: after a while nobody will come back for it."""
    age = context.clock.now() - token_time(token)
    if age < context.patience.in_flight_s:
        message = "its client has just begun, or ended before it wrote down what it wanted; nothing was submitted"
        return Resolution(token=token, status="in_flight", message=message)
    remove_file(context.project.unresolved_mark(token))
    return Resolution(token=token, status="broken", message="its client ended before writing what it wanted")


def _is_confirmed(context: SubmitContext, intent: Intent, absence: Absence) -> bool:
    return absence.last_at - absence.first_at >= context.absence_gap_s(intent.engine)


def _rows_of(answer: Answer, token: str) -> tuple[JobRow, ...]:
    return tuple(row for row in answer.rows if row.token == token) if isinstance(answer, Rows) else ()


def _is_good(answer: Answer) -> bool:
    return isinstance(answer, Rows) and not answer.malformed


def _has_no_accounting(answer: Answer) -> bool:
    return isinstance(answer, Unavailable) and answer.kind in {"disabled", "missing"}


def _why(answer: Answer) -> str:
    return answer.message if isinstance(answer, Unavailable) else "a part of the answer could not be read"


def _number(job_id: str) -> int:
    return int(job_id.partition("_")[0].partition("+")[0])


def _resolution(intent: Intent, status: Status, *, outcome: Outcome | None = None, message: str = "") -> Resolution:
    return Resolution(
        token=intent.token,
        status=status,
        name=intent.name,
        engine=intent.engine,
        run_key=intent.run_key,
        created_at=intent.created_at,
        outcome=outcome,
        message=message,
    )


def _sweep_up(context: SubmitContext) -> None:
    """What killed clients left half-written is removed after an hour; nobody reads it meanwhile."""
    before = context.clock.now() - 3600
    project = context.project
    for folder in (project.metadata_root, project.jobs, project.run_keys, project.unresolved):
        remove_old_temporaries(folder, before_epoch_s=before)
