"""What is known of a job, decided from all evidence at once: a pure function of files, scheduler answers and time."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import Any, Literal

from compose_core.cluster.engine import Answer, JobRow, Unavailable
from compose_core.cluster.job_rows import RowIndex
from compose_core.frozen import Frozen
from compose_core.job_state import JobId, JobState
from compose_core.records.end_marker import EndMarker
from compose_core.records.ending import Ending
from compose_core.records.job_record import JobRecord
from compose_core.records.state import ServiceState, StateFile
from compose_core.tracking.job_files import JobFiles

Source = Literal["state", "squeue", "sacct", "scontrol", "local", "record"]

REQUEUE_GRACE_S = 300.0
"""A preempted job or one whose node failed may come back: it is final after this long absence from the queue."""
LOST_ABSENCE_S = 60.0
LOST_AFTER_SUBMIT_S = 120.0
LOST_DESPITE_ACCOUNTING_S = 150.0
"""The accounting may keep a row of a job that the controller forgot in a crash, and never close it."""
ACCOUNTING_BACKLOG_S = 30.0
"""After an outage the accounting answers before it has heard all that happened meanwhile."""
SUBMIT_TOLERANCE_S = 300.0
_SAME_MOMENT_S = 0.001
"""A moment that is carried from one clock to another and back changes a little."""

_LIVE_SERVICES = frozenset({"starting", "running", "ready", "backoff", "waiting"})
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
_UNMET_DEPENDENCY = frozenset({"DependencyNeverSatisfied", "Dependency"})
"""Seen with 22.05 and --kill-on-invalid-dep=yes."""


class Word(Frozen, kw_only=True):
    """What one source says of one job."""

    answered: bool
    row: JobRow | None = None
    other_job: bool = False
    """The id belongs to another job now."""
    disabled: bool = False
    """There is no such source at this site."""
    message: str = ""
    asked_at: float | None = None
    """When it was asked, be it by another process; None: just now."""

    def at(self, now: float) -> float:
        """The moment that it speaks of."""
        return now if self.asked_at is None else min(self.asked_at, now)


class Memory(Frozen, kw_only=True):
    """What an earlier look left behind."""

    last_state: JobState | None = None
    absent_since: float | None = None
    """The first good queue answer without the job, when all since had none either."""
    unlisted_since: float | None = None
    """The first good accounting answer without the job's end, when all since had none either."""
    beat_seen_at: float | None = None
    """When the heartbeat was last seen to move, by the watcher's clock."""

    def shifted(self, seconds: float) -> Memory:
        """The same on a clock that was set forward by so much."""
        return Memory(
            last_state=self.last_state,
            absent_since=_plus(self.absent_since, seconds),
            unlisted_since=_plus(self.unlisted_since, seconds),
            beat_seen_at=_plus(self.beat_seen_at, seconds),
        )


class ServiceSnapshot(Frozen, kw_only=True):
    """One service of the job."""

    name: str
    status: str
    """A word of `state.json`, or `unknown` when its supervisor is silent."""
    alive: bool = False
    """Its process was there at the last heartbeat, and that is fresh."""
    log_path: str = ""
    state: ServiceState | None = None
    """All that the supervisor wrote of it."""

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        fields = self.state.model_dump(mode="json") if self.state else {"service_name": self.name}
        return {**fields, "status": self.status, "alive": self.alive, "log_path": self.log_path}


class JobSnapshot(Frozen, kw_only=True):
    """How a job is, as far as anybody knows."""

    record: JobRecord
    state: JobState
    last_known_state: JobState | None = None
    """Set when `state` is none of the scheduler's words."""
    source: Source
    terminal: bool = False
    """It will not change any more."""
    exit_code: int | None = None
    signal: int | None = None
    cause: str | None = None
    """Why it ends, in the supervisor's words."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words."""
    detail: str = ""
    """One sentence on what the state rests on, when that needs saying."""
    observed_at: float
    stale: bool = False
    """The scheduler or the supervisor was not heard: the state may be an old one."""
    submitted_at: float
    started_at: float | None = None
    ended_at: float | None = None
    expected_start_at: float | None = None
    """When Slurm thinks that the waiting job will start; None: it has not said."""
    heartbeat_at: float | None = None
    attempt: int | None = None
    is_resume: bool | None = None
    """It goes on from where an earlier attempt or job ended; None: not known yet."""
    time_limit_s: int | None = None
    nodelist: str = ""
    services: tuple[ServiceSnapshot, ...] = ()
    warnings: tuple[str, ...] = ()
    tasks: tuple[JobSnapshot, ...] = ()
    """Those of an array, in order; empty for any other job."""

    @property
    def job_id(self) -> str:
        """The scheduler's id."""
        return self.record.job_id

    @property
    def failed(self) -> bool:
        """It ended, and not well."""
        return self.terminal and self.state.is_failure

    @property
    def succeeded(self) -> bool:
        """It ended well; never by mere absence."""
        return self.terminal and self.state is JobState.COMPLETED

    def as_json(self) -> dict[str, Any]:
        """The fields of a report; times in epoch seconds."""
        return {
            "schema_version": 1,
            "job_id": self.job_id,
            "name": self.record.name,
            "submission_token": self.record.submission_token,
            "backend": self.record.backend,
            "state": str(self.state),
            "last_known_state": str(self.last_known_state) if self.last_known_state else None,
            "source": self.source,
            "terminal": self.terminal,
            "failed": self.failed,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "cause": self.cause,
            "reason": self.reason,
            "detail": self.detail,
            "observed_at": self.observed_at,
            "stale": self.stale,
            "submitted_at": self.submitted_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "expected_start_at": self.expected_start_at,
            "heartbeat_at": self.heartbeat_at,
            "attempt": self.attempt,
            "is_resume": self.is_resume,
            "time_limit_s": self.time_limit_s,
            "nodelist": self.nodelist,
            "services": [service.as_json() for service in self.services],
            "warnings": list(self.warnings),
            "array_job_id": self.record.array_job_id,
            "array_task_id": self.record.array_task_id,
            "array": self._array_json() if self.record.array else None,
        }

    @property
    def task_counts(self) -> dict[str, int]:
        """How many tasks of an array are in which state, the most frequent first."""
        return dict(Counter(str(task.state) for task in self.tasks).most_common())

    def array_summary(self) -> dict[str, Any]:
        """The tasks of an array, counted."""
        return {
            "spec": self.record.array.spec if self.record.array else "",
            "task_count": len(self.tasks),
            "counts": self.task_counts,
            "failed_tasks": [task.record.array_task_id for task in self.tasks if task.failed],
        }

    def _array_json(self) -> dict[str, Any]:
        """What a report says of an array: its tasks, counted and one by one."""
        return {**self.array_summary(), "tasks": [task.as_task_json() for task in self.tasks]}

    def as_task_json(self) -> dict[str, Any]:
        """One task of an array in short; `as_json` of the task's own snapshot says all."""
        return {
            "task_id": self.record.array_task_id,
            "job_id": self.job_id,
            "state": str(self.state),
            "terminal": self.terminal,
            "failed": self.failed,
            "exit_code": self.exit_code,
            "cause": self.cause,
            "reason": self.reason,
            "detail": self.detail,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "job_dir": self.record.job_dir,
            "batch_log": self.record.batch_log,
            "services": {service.name: service.status for service in self.services},
        }


class Evidence(Frozen, kw_only=True):
    """Everything that is known of one job at one time."""

    record: JobRecord
    files: JobFiles
    now: float
    queue: Word | None = None
    """None: not asked."""
    accounting: Word | None = None
    memory: Memory = field(default_factory=Memory)
    ending: Ending | None = None
    """What an earlier look saw of its end."""

    @property
    def fresh(self) -> bool:
        """The supervisor lives."""
        return self.files.is_fresh(self.now, beat_seen_at=self.memory.beat_seen_at)

    @property
    def absent_s(self) -> float | None:
        """How long good queue answers lack the job, this one included; None when the queue has it or was not asked."""
        if self.queue is None or not self.queue.answered or self.queue.row:
            return None
        return _since(self.memory.absent_since, self.queue.at(self.now))

    @property
    def unlisted_s(self) -> float | None:
        """How long good accounting answers lack the job's end; for ever when there is no accounting at all."""
        if self.accounting is None:
            return None
        if self.accounting.disabled:
            return float("inf")
        if not self.accounting.answered:
            return None
        return _since(self.memory.unlisted_since, self.accounting.at(self.now))


class _Verdict(Frozen, kw_only=True):
    state: JobState
    source: Source
    terminal: bool = False
    row: JobRow | None = None
    detail: str = ""
    stale: bool = False
    last_known: JobState | None = None
    is_next_attempt: bool = False
    """The files tell of an earlier attempt: how that one ended says nothing of this one."""


def word_of(answer: Answer, record: JobRecord, rows: RowIndex | None = None) -> Word:
    """What the answer says of the job; a row that carries another token is another job's.

    `rows` are the answer's rows, for callers that look up many jobs in one answer.
    """
    at = answer.asked_at
    if isinstance(answer, Unavailable):
        disabled = answer.kind in {"disabled", "missing"}
        return Word(answered=False, disabled=disabled, message=answer.message, asked_at=at)
    row = (rows if rows is not None else RowIndex(answer.rows)).find(record.job_id)
    if row is None:
        incomplete = answer.malformed > 0
        why = "a part of the answer could not be read" if incomplete else ""
        return Word(answered=not incomplete, message=why, asked_at=at)
    if _is_same_job(row, record):
        return Word(answered=True, row=row, asked_at=at)
    return Word(answered=True, other_job=True, asked_at=at)


def missed_at(evidence: Evidence, word: Word) -> float | None:
    """What happened to the job after the queue was asked, so that its word cannot count; None: nothing is known of it.

    A job is not absent because it was submitted later, nor waits one that has told of its start since.
    """
    at = word.at(evidence.now)
    if not word.answered or (word.row is not None and word.row.state.is_active):
        return None
    news = [evidence.record.submitted_at] if word.row is None else []
    if not evidence.fresh:
        news += _told_at(evidence.files)
    # A node's clock may be ahead: no moment is later than this look.
    return max((moment for moment in news if min(moment, evidence.now) > at + _SAME_MOMENT_S), default=None)


def is_outdated(evidence: Evidence, word: Word) -> bool:
    """The job's supervisor lives, and began after the queue was asked: what that knew is of before."""
    state, row = evidence.files.state, word.row
    if row is None or row.state.is_active or not evidence.fresh or word.asked_at is None or state is None:
        return False
    return state.started_at is not None and state.started_at > word.asked_at


def _told_at(files: JobFiles) -> list[float]:
    """When the job said that it began or ended."""
    state, end = files.state, files.end
    moments = (state.started_at, state.finished_at) if state else ()
    return [moment for moment in (*moments, end.at if end else None) if moment is not None]


def needs_scheduler(files: JobFiles, record: JobRecord, ending: Ending | None = None) -> bool:
    """Neither the job's own word nor what an earlier look saw settles it."""
    state = files.state
    if ending and not _began_again(state, ending):
        return False
    if state is None or not state.is_terminal:
        return True
    return _may_come_back(record, state.cause)


def decide(evidence: Evidence) -> JobSnapshot:
    """The job's status, from the first evidence that says something.

    In this order: its own last word, the queue, the accounting, its heartbeat, what was known before. Absence is never
    success, silence never an end.
    """
    verdict = _verdict(evidence)
    files, record, row = evidence.files, evidence.record, verdict.row
    state, end = files.state, files.end
    again = verdict.is_next_attempt or verdict.state.is_waiting
    ended = None if again else end
    return JobSnapshot(
        record=record,
        state=verdict.state,
        last_known_state=verdict.last_known,
        source=verdict.source,
        terminal=verdict.terminal,
        exit_code=_exit_code(verdict, state, end),
        signal=(ended.signal if ended else None) or (row.signal if row else None),
        cause=(ended.cause if ended else None) or (state.cause if state and not again else None),
        reason=row.reason if row else "",
        detail=verdict.detail or _why_never_started(verdict),
        observed_at=_known_at(evidence, verdict),
        stale=verdict.stale,
        submitted_at=record.submitted_at,
        started_at=_first(None if again or state is None else state.started_at, _row_start(row)),
        ended_at=_first(
            state.finished_at if state and state.is_terminal and not again else None,
            row.ended_at if row and verdict.terminal else None,
            end.at if end and verdict.terminal and not again else None,
        ),
        expected_start_at=row.started_at if row and row.state.is_waiting else None,
        heartbeat_at=state.heartbeat_at if state else None,
        attempt=state.attempt if state else None,
        is_resume=state.is_resume if state else None,
        time_limit_s=_time_limit(record, row),
        nodelist=row.nodelist if row else "",
        services=_services(evidence, verdict),
        warnings=files.faults,
    )


def _verdict(evidence: Evidence) -> _Verdict:
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


def _by_earlier_look(evidence: Evidence, ending: Ending) -> _Verdict:
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
    return _Verdict(state=ending.state, source=ending.source, terminal=True, row=row)


def _began_again(state: StateFile | None, ending: Ending) -> bool:
    """Somebody put the ended job back into the queue, and it started.

    The attempt tells; times are of two clocks, the node's and the controller's, which may differ by more than a short job.
    """
    if state is not None and state.attempt is not None and ending.attempt is not None:
        return state.attempt > ending.attempt
    ended_at = ending.ended_at if ending.ended_at is not None else ending.seen_at
    return state is not None and state.started_at is not None and state.started_at > ended_at


def _by_last_word(evidence: Evidence, said: JobState, cause: str | None, at: float | None) -> _Verdict:
    """The supervisor wrote that the job ended; only a requeue by Slurm can undo that."""
    final = _Verdict(state=said, source="state", terminal=True, row=evidence.queue.row if evidence.queue else None)
    queue = evidence.queue
    if not _may_come_back(evidence.record, cause):
        return final
    if queue is None or not queue.answered:
        detail = "it was told to stop, and whether Slurm puts it back into the queue is not known yet"
        return _Verdict(state=said, source="state", detail=detail, stale=True)
    row = queue.row
    if row is None:
        return _gone_after_last_word(evidence, final, at)
    if row.state.is_waiting or _is_later(row, at) or _contradicts(row, said):
        return _next_attempt(evidence, row)
    if row.state.is_terminal:
        return _requeueable(evidence, row) if row.state.may_be_requeued else final
    return _Verdict(state=said, source="state", row=row, detail="it ended and still frees its nodes")


def _gone_after_last_word(evidence: Evidence, final: _Verdict, at: float | None) -> _Verdict:
    """The queue has forgotten the job: only the accounting knows of an attempt that ended before it could say a word."""
    accounting = evidence.accounting
    if accounting is None or not (accounting.answered or accounting.disabled):
        detail = "it was told to stop, and whether it ran again after that is not known yet"
        return _Verdict(state=final.state, source="state", detail=detail, stale=True)
    row = accounting.row
    is_next = row is not None and row.state.is_terminal and (_is_later(row, at) or _contradicts(row, final.state))
    return _next_attempt(evidence, row) if row and is_next else final


def _next_attempt(evidence: Evidence, row: JobRow) -> _Verdict:
    """Slurm put it back into the queue, and this is what became of it there."""
    if row.state.may_be_requeued:
        return replace(_requeueable(evidence, row), is_next_attempt=True)
    detail = "" if row.state.is_terminal else "Slurm put it back into the queue"
    return _Verdict(
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


def _by_end_marker(evidence: Evidence, end: EndMarker) -> _Verdict:
    """Teardown began: it goes on while the supervisor lives or the scheduler says so."""
    said = _STATE_OF_CAUSE.get(end.cause, JobState.FAILED)
    row = evidence.queue.row if evidence.queue else None
    if row and not row.state.is_terminal and row.state is not JobState.UNKNOWN:
        if row.state.is_waiting:
            return _Verdict(state=row.state, source=row.source, row=row, detail="Slurm put it back into the queue")
        started_again = row.started_at is not None and row.started_at > end.at
        state = JobState.COMPLETING if row.state is JobState.RUNNING and not started_again else row.state
        return _Verdict(state=state, source=row.source, row=row, detail=f"it is ending: {end.cause}")
    if evidence.fresh:
        return _Verdict(state=JobState.COMPLETING, source="state", row=row, detail=f"it is ending: {end.cause}")
    verdict = _by_last_word(evidence, said, end.cause, end.at)
    if not verdict.terminal or verdict.is_next_attempt:
        return verdict
    detail = "its supervisor ended before it had finished its teardown"
    return _Verdict(state=said, source="state", terminal=True, row=row, detail=detail)


def _by_queue_row(evidence: Evidence, row: JobRow) -> _Verdict:
    if row.state is JobState.UNKNOWN:
        detail = f"the scheduler says {row.raw_state!r}, a word that is in no manual"
        last = _last_known(evidence)
        return _Verdict(state=JobState.UNKNOWN, source=row.source, row=row, detail=detail, last_known=last)
    if row.state.may_be_requeued:
        return _requeueable(evidence, row)
    if row.state.is_terminal:
        return _Verdict(state=row.state, source=row.source, terminal=True, row=row)
    if row.state is JobState.REVOKED:
        return _elsewhere(evidence, row)
    state = evidence.files.state
    if state and not evidence.fresh and row.state is JobState.RUNNING and state.heartbeat_at is not None:
        age = evidence.now - state.heartbeat_at
        detail = f"its supervisor has not been heard for {age:.0f} s"
        return _Verdict(state=row.state, source=row.source, row=row, detail=detail, stale=True)
    return _Verdict(state=row.state, source=row.source, row=row)


def _known_at(evidence: Evidence, verdict: _Verdict) -> float:
    """Now, as far as it is the job's own word; what the scheduler says was so when it was asked."""
    asked = evidence.accounting if verdict.row and verdict.row.source == "sacct" else evidence.queue
    return evidence.now if verdict.source == "state" or asked is None else asked.at(evidence.now)


def _elsewhere(evidence: Evidence, row: JobRow) -> _Verdict:
    """A sibling cluster has the job: what this one says tells nothing, and the job's own files tell all."""
    detail = "another cluster of the federation has it; only its own files tell how it is"
    if evidence.fresh:
        return _Verdict(state=JobState.RUNNING, source="state", row=row, detail=detail)
    last = _last_known(evidence)
    return _Verdict(state=row.state, source=row.source, row=row, detail=detail, stale=True, last_known=last)


def _why_never_started(verdict: _Verdict) -> str:
    """The scheduler's reason for a job that it cancelled by itself, in words."""
    row = verdict.row
    if verdict.state is not JobState.CANCELLED or row is None or row.reason not in _UNMET_DEPENDENCY:
        return ""
    return "a job that it waited for ended otherwise than asked, so its dependency can never be met"


def _requeueable(evidence: Evidence, row: JobRow) -> _Verdict:
    """Final only when it has been away for long; the local engine never brings a job back."""
    absent_s = evidence.absent_s
    seen_at = evidence.queue.at(evidence.now) if evidence.queue else evidence.now
    ended_long_ago = row.ended_at is not None and seen_at - row.ended_at >= REQUEUE_GRACE_S
    long_gone = absent_s is not None and (absent_s >= REQUEUE_GRACE_S or ended_long_ago)
    if long_gone or row.source == "local":
        return _Verdict(state=row.state, source=row.source, terminal=True, row=row)
    detail = "Slurm may put it back into the queue"
    return _Verdict(state=row.state, source=row.source, row=row, detail=detail)


def _vanished(evidence: Evidence) -> _Verdict:
    """The queue answered and has no such job."""
    accounting = evidence.accounting
    row = accounting.row if accounting else None
    if row and row.state.is_terminal:
        if row.state.may_be_requeued:
            return _requeueable(evidence, row)
        return _Verdict(state=row.state, source=row.source, terminal=True, row=row)
    if evidence.fresh:
        detail = "the scheduler does not list it, and its supervisor lives"
        return _Verdict(state=JobState.RUNNING, source="state", row=row, detail=detail)
    last = _last_known(evidence)
    if _is_lost(evidence, row):
        if last and last.may_be_requeued:
            return _Verdict(state=last, source="record", terminal=True, detail="it did not come back into the queue")
        detail = "neither the scheduler nor the job's own files know what became of it"
        return _Verdict(state=JobState.LOST, source="record", terminal=True, detail=detail, last_known=last)
    return _Verdict(
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


def _without_queue(evidence: Evidence) -> _Verdict:
    """The scheduler did not answer: that says nothing about the job."""
    message = evidence.queue.message if evidence.queue else "it was not asked"
    if evidence.fresh:
        silence = f"; the scheduler does not answer: {message}" if evidence.queue else ""
        detail = f"by its own heartbeat{silence}"
        return _Verdict(state=JobState.RUNNING, source="state", detail=detail)
    row = evidence.accounting.row if evidence.accounting else None
    if row and row.state.is_terminal and not row.state.may_be_requeued:
        return _Verdict(state=row.state, source=row.source, terminal=True, row=row)
    last = (row.state if row else None) or _last_known(evidence)
    detail = f"the scheduler does not answer: {message}"
    return _Verdict(state=JobState.UNREACHABLE, source="record", row=row, detail=detail, stale=True, last_known=last)


def _last_known(evidence: Evidence) -> JobState | None:
    if evidence.memory.last_state:
        return evidence.memory.last_state
    return JobState.RUNNING if evidence.files.state else None


def _may_come_back(record: JobRecord, cause: str | None) -> bool:
    """However long ago: on a busy cluster a preempted job waits for hours, and only the queue knows that it does."""
    return record.backend == "slurm" and cause in _CAUSES_OF_REQUEUE


def _is_same_job(row: JobRow, record: JobRecord) -> bool:
    """By the token; where the site keeps none, by name and time of submission."""
    if row.token is not None:
        return row.token == record.submission_token
    if row.submitted_at is None or abs(row.submitted_at - record.submitted_at) > SUBMIT_TOLERANCE_S:
        return False
    return row.name in {record.name, "allocation", ""}


def _exit_code(verdict: _Verdict, state: StateFile | None, end: EndMarker | None) -> int | None:
    if state and state.is_terminal and verdict.source == "state":
        return state.job_exit_code
    if end and verdict.source == "state":
        return end.exit_code
    return verdict.row.exit_code if verdict.row and verdict.terminal else None


def _row_start(row: JobRow | None) -> float | None:
    return row.started_at if row and not row.state.is_waiting else None


def _time_limit(record: JobRecord, row: JobRow | None) -> int | None:
    if row and row.time_limit_s is not None:
        return row.time_limit_s
    return record.requested_walltime.seconds if record.requested_walltime else None


def _since(before: float | None, now: float) -> float:
    return 0.0 if before is None else now - before


def _plus(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _services(evidence: Evidence, verdict: _Verdict) -> tuple[ServiceSnapshot, ...]:
    paths, state = evidence.files.paths, evidence.files.state
    if state is None:
        status = "waiting" if verdict.state.is_waiting else "unknown"
        return tuple(
            ServiceSnapshot(name=name, status=status, log_path=str(paths.log(name)))
            for name in evidence.record.services
        )
    is_heard = evidence.fresh and not verdict.terminal  # a supervisor that was killed leaves a young heartbeat behind
    return tuple(_service(evidence, service, is_heard=is_heard) for service in state.services)


def _service(evidence: Evidence, service: ServiceState, *, is_heard: bool) -> ServiceSnapshot:
    log_path = str(evidence.files.paths.log(service.service_name))
    if service.status in _LIVE_SERVICES and not is_heard:
        return ServiceSnapshot(name=service.service_name, status="unknown", log_path=log_path, state=service)
    alive = is_heard and service.launcher_pid > 0 and service.status in _LIVE_SERVICES
    return ServiceSnapshot(
        name=service.service_name, status=service.status, alive=alive, log_path=log_path, state=service
    )
