"""Jobs looked at again and again: their files in every look, the scheduler as seldom as the pace allows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from compose_core.clock import Clock
from compose_core.cluster.engine import CallCounter, Engine
from compose_core.records.job_record import JobRecord
from compose_core.tracking.array_summary import updated_array
from compose_core.tracking.observe import Watch, engine_key, observe, record_key
from compose_core.tracking.snapshot import JobSnapshot

JITTER = 0.2
"""Pauses are longer by up to this share, so that those who watch the same jobs do not all ask at once."""
_SHORTEST_PAUSE_S = 0.05
_JOBS_PER_SECOND_OF_PAUSE = 10.0
"""Of many jobs there is always one that changes: each ten of them keep the pace a second slower."""
_FILES_PER_SECOND = 100.0
"""So many jobs' files are looked at in a second at most, because their file system is shared, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often somebody wants to know."""

    first_s: float
    """Until the scheduler is asked again after something changed."""
    growth: float = 1.5
    longest_s: float
    """As long as nothing changes, pauses grow up to this."""
    longest_silent_s: float
    """The same for a scheduler that does not answer."""
    files_s: float
    """How often files are looked at meanwhile."""
    trusts_files: bool = False
    """While every job lives by its own word the scheduler is not asked: for those who wait for ends, and for nothing before them."""

    def after(self, pause_s: float) -> float:
        """The pause after this one, when nothing has changed."""
        return min(pause_s * self.growth, self.longest_s)

    def after_change(self, jobs: int) -> float:
        """The first pause when so many jobs are watched."""
        return min(max(self.first_s, jobs / _JOBS_PER_SECOND_OF_PAUSE), self.longest_s)


ATTENDED = Pace(first_s=1.0, longest_s=30.0, longest_silent_s=60.0, files_s=0.5)
"""For a person at a terminal: starts and ends are seen at once, in the job's files; only the queue's word waits."""
UNATTENDED = Pace(first_s=60.0, longest_s=60.0, longest_silent_s=300.0, files_s=60.0)
"""For programs that run for days."""


@dataclass(slots=True)
class _Followed:
    """One job that is looked at."""

    record: JobRecord
    snapshot: JobSnapshot | None = None
    said: tuple[object, ...] = ()
    """What its files alone told in the last look: a change of it makes the scheduler worth asking."""

    @property
    def is_over(self) -> bool:
        return self.snapshot is not None and self.snapshot.terminal

    @property
    def open_jobs(self) -> int:
        """How many jobs' files a look reads: of an array, those of each task that is not over."""
        if self.is_over:
            return 0
        tasks = self.snapshot.tasks if self.snapshot is not None else ()
        return max(1, sum(not task.terminal for task in tasks))


@dataclass(slots=True)
class _Question:
    """When the scheduler is asked next, and how it answered so far."""

    pause_s: float
    due_at: float = float("-inf")
    failures: int = 0
    trouble: str = ""


class Poller:
    """How a set of jobs is, looked at again and again.

    A job that is over is not looked at any more. A scheduler that does not answer is asked ever more seldom; the jobs
    keep the state that their files tell, else they are UNREACHABLE, which never is an end.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        clock: Clock,
        *,
        pace: Pace = ATTENDED,
        jitter: float = JITTER,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engines = engines
        self._clock = clock
        self._pace = pace
        self._jitter = jitter
        self._chance = chance
        self._watch = Watch()
        self._followed: dict[str, _Followed] = {}
        self._question = _Question(pause_s=pace.first_s)
        self._all_live = False
        """In the last look every job told by itself that it runs, and that is enough."""

    def follow(self, records: Iterable[JobRecord], *, heard_at: float | None = None) -> None:
        """Look at these jobs, too; the scheduler is asked about them in the next look.

        Where it spoke of them at `heard_at` on the monotonic clock, as when it took them, the first pause counts from then.
        """
        is_idle = all(one.is_over for one in self._followed.values())
        new = [record for record in records if record_key(record) not in self._followed]
        self._followed |= {record_key(record): _Followed(record=record) for record in new}
        if new and heard_at is None:
            self._question.due_at = float("-inf")
        elif new and heard_at is not None:
            due_at = heard_at + self._pace.first_s
            self._question.due_at = due_at if is_idle else min(self._question.due_at, due_at)

    def forget(self, records: Iterable[JobRecord]) -> None:
        """Look at these no more."""
        for record in records:
            self._followed.pop(record_key(record), None)

    def look(self) -> list[JobSnapshot]:
        """How the jobs are now, in the order in which they were followed."""
        open_ones = [one for one in self._followed.values() if not one.is_over]
        is_due = self._clock.monotonic() >= self._question.due_at
        if open_ones and (not is_due or self._pace.trusts_files):
            self._all_live = self._read_files(open_ones) and self._pace.trusts_files
            is_due = is_due and not self._all_live
        if open_ones and is_due:
            self._ask(open_ones)
        return self.snapshots

    def pause_s(self) -> float:
        """How long a caller may sleep until the next look can show anything new."""
        open_ones = sum(one.open_jobs for one in self._followed.values())
        if not open_ones:
            return self._pace.longest_s
        files_s = max(self._pace.files_s, open_ones / _FILES_PER_SECOND)
        if self._all_live:
            return max(_SHORTEST_PAUSE_S, files_s)
        return max(_SHORTEST_PAUSE_S, min(files_s, self._question.due_at - self._clock.monotonic()))

    @property
    def snapshots(self) -> list[JobSnapshot]:
        """What the last look found."""
        return [one.snapshot for one in self._followed.values() if one.snapshot is not None]

    @property
    def is_over(self) -> bool:
        """No job will change any more."""
        return all(one.is_over for one in self._followed.values())

    @property
    def calls(self) -> CallCounter:
        """The calls that this process made to the schedulers."""
        names = dict.fromkeys(engine_key(one.record) for one in self._followed.values())
        return CallCounter.sum_of(self._engines[name].counter for name in names if name in self._engines)

    @property
    def failures(self) -> int:
        """How many questions in a row the scheduler has not answered."""
        return self._question.failures

    @property
    def trouble(self) -> str:
        """Why it did not answer; empty when it did."""
        return self._question.trouble

    def _ask(self, open_ones: Sequence[_Followed]) -> None:
        records, question, pace = [one.record for one in open_ones], self._question, self._pace
        self._watch.heard.clear()
        found = observe(records, self._engines, self._clock, watch=self._watch, max_age_s=question.pause_s)
        has_changed = False
        for one, snapshot in zip(open_ones, found):
            has_changed |= one.snapshot is not None and one.snapshot.state is not snapshot.state
            one.snapshot = snapshot
        troubles = [heard.trouble for heard in self._watch.heard.values() if heard.trouble]
        question.failures = question.failures + 1 if troubles else 0
        question.trouble = "; ".join(dict.fromkeys(troubles))
        if question.failures > 1:
            question.pause_s = min(question.pause_s * 2, pace.longest_silent_s)
        elif has_changed or question.due_at == float("-inf"):
            question.pause_s = pace.after_change(len(open_ones))
        else:
            question.pause_s = pace.after(question.pause_s)
        self._plan_next()

    def _read_files(self, open_ones: Sequence[_Followed]) -> bool:
        """What the jobs say themselves; where that settles nothing, they stay as they were. True: all of them live by it."""
        found = observe([one.record for one in open_ones], {}, self._clock, watch=self._watch)
        has_news = False
        for one, by_files in zip(open_ones, found):
            said = (by_files.state, by_files.source, by_files.attempt, by_files.cause)
            has_news |= one.said not in ((), said)
            one.said = said
            one.snapshot = _updated(one.snapshot, by_files)
        if has_news and not self._question.failures:
            self._question.pause_s = self._pace.after_change(len(open_ones))
            self._question.due_at = min(self._question.due_at, self._clock.monotonic() + self._question.pause_s)
        return all(_lives(by_files) for by_files in found)

    def _plan_next(self) -> None:
        """The pause counts from when the scheduler was asked, which another process may have done."""
        pause_s = self._question.pause_s * (1 + self._jitter * self._chance())
        ages = [max(0.0, self._clock.now() - heard.asked_at) for heard in self._watch.heard.values()]
        self._question.due_at = self._clock.monotonic() + max(_SHORTEST_PAUSE_S, pause_s - min(ages, default=0.0))


def _lives(snapshot: JobSnapshot) -> bool:
    """The job, or each task of the array, has said so a moment ago, or how it ended."""
    return all(one.terminal or (one.source == "state" and not one.stale) for one in snapshot.tasks or (snapshot,))


def _updated(known: JobSnapshot | None, by_files: JobSnapshot) -> JobSnapshot:
    if known is None:
        return by_files
    if by_files.tasks:
        by_files = updated_array(known, by_files)
    is_sure = by_files.terminal or (by_files.source == "state" and not by_files.stale)
    return by_files if is_sure else known
