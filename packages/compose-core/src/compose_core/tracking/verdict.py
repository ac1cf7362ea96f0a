"""Which state the evidence proves, and by whose word: one small rule for each kind of evidence, in the order of `verdict_of`."""

from __future__ import annotations

from dataclasses import replace

from compose_core.cluster.engine import JobRow
from compose_core.frozen import Frozen
from compose_core.job_state import JobId, JobState
from compose_core.records.end_marker import EndMarker
from compose_core.records.ending import Ending
from compose_core.records.job_record import JobRecord
from compose_core.records.state import StateFile
from compose_core.tracking.evidence import Evidence
from compose_core.tracking.job_files import JobFiles
from compose_core.tracking.snapshot import Source

REQUEUE_GRACE_S = 300.0
"""A preempted job or one whose node failed may come back: it is final after this long absence from the queue."""
LOST_ABSENCE_S = 60.0
LOST_AFTER_SUBMIT_S = 120.0
LOST_DESPITE_ACCOUNTING_S = 150.0
"""The accounting may keep a row of a job that the controller forgot in a crash, and never close it."""
ACCOUNTING_BACKLOG_S = 30.0
"""After an outage the accounting answers before it has heard all that happened meanwhile."""
_STATE_OF_CAUSE = {
    "completed": JobState.COMPLETED,
    "cancelled": JobState.CANCELLED,
    "time_limit": JobState.TIMEOUT,
    "preempted": JobState.PREEMPTED,
    "requeued": JobState.CANCELLED,
    "node_failed": JobState.NODE_FAIL,
    "signal": JobState.CANCELLED,
}
_CAUSES_OF_REQUEUE = frozenset({"cancelled", "signal", "preempted", "requeued", "node_failed"})
"""Where the batch log does not say why, a job that Slurm preempts looks as one that is cancelled."""


class Verdict(Frozen, kw_only=True):
    """The state that the evidence proves."""

    state: JobState
    source: Source
    terminal: bool = False
    row: JobRow | None = None
    """What the scheduler said, as far as it counts."""
    detail: str = ""
    stale: bool = False
    last_known: JobState | None = None
    is_next_attempt: bool = False
    """The files tell of an earlier attempt: how that one ended says nothing of this one."""


def needs_scheduler(files: JobFiles, record: JobRecord, ending: Ending | None = None) -> bool:
    """Neither the job's own word nor what an earlier look saw settles it."""
    state = files.state
    if ending and not _began_again(state, ending):
        return False
    if state is None or not state.is_terminal:
        return True
    return _may_come_back(record, state.cause)


def verdict_of(evidence: Evidence) -> Verdict:
    """By the first source that says something: an earlier look, the job's own last word, its end marker, the scheduler."""
    state, end = evidence.files.state, evidence.files.end
    if evidence.ending and not _began_again(state, evidence.ending):
        return _by_earlier_look(evidence, evidence.ending)
    if state and state.is_terminal:
        return _by_last_word(evidence, JobState(state.job_status), state.cause, state.finished_at or state.updated_at)
    if end:
        return _by_end_marker(evidence, end)
    if evidence.queue is None or not evidence.queue.answered:
        return _without_queue(evidence)
    row = evidence.queue.row
    return _by_queue_row(evidence, row) if row else _vanished(evidence)


def _by_earlier_look(evidence: Evidence, ending: Ending) -> Verdict:
    """The scheduler said it once; that it has forgotten since changes nothing."""
    row = JobRow(
        job_id=JobId(evidence.record.job_id),
        state=ending.state,
        source="sacct" if ending.source == "sacct" else "squeue",
        exit_code=ending.exit_code,
        signal=ending.signal,
        reason=ending.reason,
        nodelist=ending.nodelist,
        started_at=ending.started_at,
        ended_at=ending.ended_at,
    )
    return Verdict(state=ending.state, source=ending.source, terminal=True, row=row)


def _began_again(state: StateFile | None, ending: Ending) -> bool:
    """Somebody put the ended job back into the queue, and it started.

    The attempt tells; times are of two clocks, the node's and the controller's, which may differ by more than a short job.
    """
    if state is not None and state.attempt is not None and ending.attempt is not None:
        return state.attempt > ending.attempt
    ended_at = ending.ended_at if ending.ended_at is not None else ending.seen_at
    return state is not None and state.started_at is not None and state.started_at > ended_at


def _by_last_word(evidence: Evidence, said: JobState, cause: str | None, at: float | None) -> Verdict:
    """The supervisor wrote that the job ended; only a requeue by Slurm can undo that."""
    final = Verdict(state=said, source="state", terminal=True, row=evidence.queue.row if evidence.queue else None)
    queue = evidence.queue
    if not _may_come_back(evidence.record, cause):
        return final
    if queue is None or not queue.answered:
        detail = "it was told to stop, and whether Slurm puts it back into the queue is not known yet"
        return Verdict(state=said, source="state", detail=detail, stale=True)
    row = queue.row
    if row is None:
        return _gone_after_last_word(evidence, final, at)
    if row.state.is_waiting or _is_later(row, at) or _contradicts(row, said):
        return _next_attempt(evidence, row)
    if row.state.is_terminal:
        return _requeueable(evidence, row) if row.state.may_be_requeued else final
    return Verdict(state=said, source="state", row=row, detail="it ended and still frees its nodes")


def _gone_after_last_word(evidence: Evidence, final: Verdict, at: float | None) -> Verdict:
    """The queue has forgotten the job: only the accounting knows of an attempt that ended before it could say a word."""
    accounting = evidence.accounting
    if accounting is None or not (accounting.answered or accounting.disabled):
        detail = "it was told to stop, and whether it ran again after that is not known yet"
        return Verdict(state=final.state, source="state", detail=detail, stale=True)
    row = accounting.row
    is_next = row is not None and row.state.is_terminal and (_is_later(row, at) or _contradicts(row, final.state))
    return _next_attempt(evidence, row) if row and is_next else final


def _next_attempt(evidence: Evidence, row: JobRow) -> Verdict:
    """Slurm put it back into the queue, and this is what became of it there."""
    if row.state.may_be_requeued:
        return replace(_requeueable(evidence, row), is_next_attempt=True)
    detail = "" if row.state.is_terminal else "Slurm put it back into the queue"
    return Verdict(
        state=row.state,
        source=row.source,
        terminal=row.state.is_terminal,
        row=row,
        detail=detail,
        is_next_attempt=True,
    )


def _is_later(row: JobRow, at: float | None) -> bool:
    """The row is of an attempt that began after this moment."""
    return row.started_at is not None and at is not None and row.started_at > at


def _contradicts(row: JobRow, said: JobState) -> bool:
    """Slurm saw the script end well, and one that said anything else ends with another status.

    Needed beside the times: those are of two clocks, the controller's and the node's.
    """
    return row.state is JobState.COMPLETED and said is not JobState.COMPLETED


def _by_end_marker(evidence: Evidence, end: EndMarker) -> Verdict:
    """Teardown began: it goes on while the supervisor lives or the scheduler says so."""
    said = _STATE_OF_CAUSE.get(end.cause, JobState.FAILED)
    row = evidence.queue.row if evidence.queue else None
    if row and not row.state.is_terminal and row.state is not JobState.UNKNOWN:
        if row.state.is_waiting:
            return Verdict(state=row.state, source=row.source, row=row, detail="Slurm put it back into the queue")
        started_again = row.started_at is not None and row.started_at > end.at
        state = JobState.COMPLETING if row.state is JobState.RUNNING and not started_again else row.state
        return Verdict(state=state, source=row.source, row=row, detail=f"it is ending: {end.cause}")
    if evidence.fresh:
        return Verdict(state=JobState.COMPLETING, source="state", row=row, detail=f"it is ending: {end.cause}")
    verdict = _by_last_word(evidence, said, end.cause, end.at)
    if not verdict.terminal or verdict.is_next_attempt:
        return verdict
    detail = "its supervisor ended before it had finished its teardown"
    return Verdict(state=said, source="state", terminal=True, row=row, detail=detail)


def _by_queue_row(evidence: Evidence, row: JobRow) -> Verdict:
    if row.state is JobState.UNKNOWN:
        detail = f"the scheduler says {row.raw_state!r}, a word that is in no manual"
        last = _last_known(evidence)
        return Verdict(state=JobState.UNKNOWN, source=row.source, row=row, detail=detail, last_known=last)
    if row.state.may_be_requeued:
        return _requeueable(evidence, row)
    if row.state.is_terminal:
        return Verdict(state=row.state, source=row.source, terminal=True, row=row)
    if row.state is JobState.REVOKED:
        return _elsewhere(evidence, row)
    state = evidence.files.state
    if state and not evidence.fresh and row.state is JobState.RUNNING and state.heartbeat_at is not None:
        age = evidence.now - state.heartbeat_at
        detail = f"its supervisor has not been heard for {age:.0f} s"
        return Verdict(state=row.state, source=row.source, row=row, detail=detail, stale=True)
    return Verdict(state=row.state, source=row.source, row=row)


def _elsewhere(evidence: Evidence, row: JobRow) -> Verdict:
    """A sibling cluster has the job: what this one says tells nothing, and the job's own files tell all."""
    detail = "another cluster of the federation has it; only its own files tell how it is"
    if evidence.fresh:
        return Verdict(state=JobState.RUNNING, source="state", row=row, detail=detail)
    last = _last_known(evidence)
    return Verdict(state=row.state, source=row.source, row=row, detail=detail, stale=True, last_known=last)


def _requeueable(evidence: Evidence, row: JobRow) -> Verdict:
    """Final only when it has been away for long; the local engine never brings a job back."""
    absent_s = evidence.absent_s
    seen_at = evidence.queue.at(evidence.now) if evidence.queue else evidence.now
    ended_long_ago = row.ended_at is not None and seen_at - row.ended_at >= REQUEUE_GRACE_S
    long_gone = absent_s is not None and (absent_s >= REQUEUE_GRACE_S or ended_long_ago)
    if long_gone or row.source == "local":
        return Verdict(state=row.state, source=row.source, terminal=True, row=row)
    detail = "Slurm may put it back into the queue"
    return Verdict(state=row.state, source=row.source, row=row, detail=detail)


def _vanished(evidence: Evidence) -> Verdict:
    """The queue answered and has no such job."""
    accounting = evidence.accounting
    row = accounting.row if accounting else None
    if row and row.state.is_terminal:
        if row.state.may_be_requeued:
            return _requeueable(evidence, row)
        return Verdict(state=row.state, source=row.source, terminal=True, row=row)
    if evidence.fresh:
        detail = "the scheduler does not list it, and its supervisor lives"
        return Verdict(state=JobState.RUNNING, source="state", row=row, detail=detail)
    last = _last_known(evidence)
    if _is_lost(evidence, row):
        if last and last.may_be_requeued:
            return Verdict(state=last, source="record", terminal=True, detail="it did not come back into the queue")
        detail = "neither the scheduler nor the job's own files know what became of it"
        return Verdict(state=JobState.LOST, source="record", terminal=True, detail=detail, last_known=last)
    return Verdict(
        state=JobState.UNKNOWN,
        source=row.source if row else "record",
        row=row,
        detail=_why_unknown(evidence),
        stale=True,
        last_known=last or (row.state if row else None),
    )


def _is_lost(evidence: Evidence, row: JobRow | None) -> bool:
    absent_s, unlisted_s = evidence.absent_s, evidence.unlisted_s
    if absent_s is None or evidence.now - evidence.record.submitted_at < LOST_AFTER_SUBMIT_S:
        return False
    if unlisted_s is None or unlisted_s < ACCOUNTING_BACKLOG_S:
        return False
    last = _last_known(evidence)
    needed = REQUEUE_GRACE_S if last and last.may_be_requeued else LOST_ABSENCE_S
    return absent_s >= (max(needed, LOST_DESPITE_ACCOUNTING_S) if row else needed)


def _why_unknown(evidence: Evidence) -> str:
    accounting = evidence.accounting
    if evidence.queue and evidence.queue.other_job:
        return "its id belongs to another job now, and its end is not known yet"
    if accounting and accounting.row:
        return f"it left the queue, and the accounting still says {accounting.row.raw_state or accounting.row.state}"
    if accounting and not accounting.answered and not accounting.disabled:
        return f"it is not in the queue, and the accounting does not answer: {accounting.message}"
    return "it is not in the queue, and its end is not known yet"


def _without_queue(evidence: Evidence) -> Verdict:
    """The scheduler did not answer: that says nothing about the job."""
    message = evidence.queue.message if evidence.queue else "it was not asked"
    if evidence.fresh:
        silence = f"; the scheduler does not answer: {message}" if evidence.queue else ""
        detail = f"by its own heartbeat{silence}"
        return Verdict(state=JobState.RUNNING, source="state", detail=detail)
    row = evidence.accounting.row if evidence.accounting else None
    if row and row.state.is_terminal and not row.state.may_be_requeued:
        return Verdict(state=row.state, source=row.source, terminal=True, row=row)
    last = (row.state if row else None) or _last_known(evidence)
    detail = f"the scheduler does not answer: {message}"
    return Verdict(state=JobState.UNREACHABLE, source="record", row=row, detail=detail, stale=True, last_known=last)


def _last_known(evidence: Evidence) -> JobState | None:
    if evidence.memory.last_state:
        return evidence.memory.last_state
    return JobState.RUNNING if evidence.files.state else None


def _may_come_back(record: JobRecord, cause: str | None) -> bool:
    """However long ago: on a busy cluster a preempted job waits for hours, and only the queue knows that it does."""
    return record.backend == "slurm" and cause in _CAUSES_OF_REQUEUE
