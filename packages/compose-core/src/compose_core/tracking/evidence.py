"""All that is known of a job at one time: its files, what the scheduler says of it, what earlier looks left behind."""

from __future__ import annotations

from dataclasses import field

from compose_core.cluster.engine import Answer, JobRow, Unavailable
from compose_core.cluster.job_rows import RowIndex
from compose_core.frozen import Frozen
from compose_core.job_state import JobState
from compose_core.records.ending import Ending
from compose_core.records.job_record import JobRecord
from compose_core.tracking.job_files import JobFiles

SUBMIT_TOLERANCE_S = 300.0
_SAME_MOMENT_S = 0.001
"""A moment that is carried from one clock to another and back changes a little."""


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


def _is_same_job(row: JobRow, record: JobRecord) -> bool:
    """By the token; where the site keeps none, by name and time of submission."""
    if row.token is not None:
        return row.token == record.submission_token
    if row.submitted_at is None or abs(row.submitted_at - record.submitted_at) > SUBMIT_TOLERANCE_S:
        return False
    return row.name in {record.name, "allocation", ""}


def _since(before: float | None, now: float) -> float:
    return 0.0 if before is None else now - before


def _plus(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds
