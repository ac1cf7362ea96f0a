"""How all these jobs are now: files first, one queue call, one accounting call for those that left the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from compose_core.clock import Clock
from compose_core.cluster.engine import Answer, Engine, JobRow, Rows, Unavailable
from compose_core.cluster.job_rows import RowIndex
from compose_core.errors import RecordError
from compose_core.job_state import JobId, JobState
from compose_core.records.absence import Absence
from compose_core.records.atomic import file_exists, remove_file
from compose_core.records.ending import Ending
from compose_core.records.format import Format
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import SubmissionPaths
from compose_core.tracking.array_summary import array_snapshot
from compose_core.tracking.decide import decide
from compose_core.tracking.evidence import Evidence, Memory, Word, is_outdated, missed_at, word_of
from compose_core.tracking.exit_codes import with_exit_codes
from compose_core.tracking.job_files import JobFiles, read_job_files
from compose_core.tracking.snapshot import JobSnapshot
from compose_core.tracking.task_records import task_records, with_known_log
from compose_core.tracking.verdict import needs_scheduler

_ACCOUNTING_BEFORE_S = 3600.0
_CLOCK_SET_S = 2.0
"""Two clocks that are read one after the other differ a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a question."""

    asked_at: float
    """When it was asked, be it by another process; when it was given up, if there was no answer."""
    trouble: str = ""
    """Why there was no answer."""


@dataclass(slots=True)
class Watch:
    """What one process remembers between its looks; a new one knows only what lies on disk."""

    memories: dict[str, Memory] = field(default_factory=dict)
    """By key: the token, with the number of the task in an array."""
    endings: dict[str, Ending] = field(default_factory=dict)
    """How jobs ended, by key; the scheduler forgets."""
    beats: dict[str, float] = field(default_factory=dict)
    """The heartbeat seen last, by key."""
    settled: dict[str, JobSnapshot] = field(default_factory=dict)
    """Tasks of arrays that ended by their own word, by key: they are not looked at again."""
    heard: dict[str, Heard] = field(default_factory=dict)
    """How the queue of each engine answered last."""
    looked_at: tuple[float, float] | None = None
    """Wall and monotonic time of the last look."""

    def follow_clock(self, clock: Clock) -> None:
        """Shift what is remembered when the wall clock was set meanwhile: it is no time that passed."""
        wall, monotonic = clock.now(), clock.monotonic()
        if self.looked_at is not None:
            jump = (wall - self.looked_at[0]) - (monotonic - self.looked_at[1])
            if abs(jump) > _CLOCK_SET_S:
                self.memories = {token: memory.shifted(jump) for token, memory in self.memories.items()}
        self.looked_at = wall, monotonic


def observe(
    records: Sequence[JobRecord],
    engine: Engine | Mapping[str, Engine],
    clock: Clock,
    *,
    watch: Watch | None = None,
    max_age_s: float = 0.0,
) -> list[JobSnapshot]:
    """One snapshot per record, in their order; at most one queue and one accounting call per engine.

    What the scheduler told another process is believed for `max_age_s`, as far as the job was not submitted after that
    and has not told of a change since. With one engine, jobs that another engine runs are judged by their own files
    alone. No call is made for jobs that said themselves how they ended. The record of an array stands for all of its
    tasks, and its snapshot holds theirs. Engines are found by `engine_key`.
    """
    watch = watch if watch is not None else Watch()
    watch.follow_clock(clock)
    families = [task_records(record) for record in records]
    wanted = [record for family in families for record in family if record_key(record) not in watch.settled]
    seen = {record_key(snapshot.record): snapshot for snapshot in _look(wanted, engine, clock, watch, max_age_s)}
    found = [
        [seen.get(record_key(record)) or watch.settled[record_key(record)] for record in family] for family in families
    ]
    return [array_snapshot(record, tasks) if record.array else tasks[0] for record, tasks in zip(records, found)]


def _look(
    records: Sequence[JobRecord],
    engine: Engine | Mapping[str, Engine],
    clock: Clock,
    watch: Watch,
    max_age_s: float,
) -> list[JobSnapshot]:
    """One snapshot per record of a single job or task."""
    files = [read_job_files(record) for record in records]
    now = clock.now()
    evidences = [
        Evidence(
            record=with_known_log(record, found.state.slurm_job_id if found.state else None),
            files=found,
            now=now,
            memory=_recall(watch, record, found, now),
            ending=watch.endings.get(record_key(record)) or _stored_ending(record),
        )
        for record, found in zip(records, files)
    ]
    engines: Mapping[str, Engine] = (
        engine
        if isinstance(engine, Mapping)
        else {engine_key(record): engine for record in records if record.backend == engine.name}
    )
    for name in dict.fromkeys(engine_key(record) for record in records):
        if name in engines:
            _ask(evidences, name, engines[name], watch, max_age_s=max_age_s)
    now = clock.now()
    evidences = [replace(evidence, now=now) for evidence in evidences]
    return [_remember(watch, evidence, decide(evidence)) for evidence in evidences]


def observe_one(
    record: JobRecord, engine: Engine | Mapping[str, Engine], clock: Clock, *, watch: Watch | None = None
) -> JobSnapshot:
    """The snapshot of one job."""
    return observe([record], engine, clock, watch=watch)[0]


def _ask(evidences: list[Evidence], engine_name: str, engine: Engine, watch: Watch, *, max_age_s: float) -> None:
    """Put the scheduler's words beside the files, for the jobs of this engine that need them."""
    asked = [
        position
        for position, evidence in enumerate(evidences)
        if engine_key(evidence.record) == engine_name
        and needs_scheduler(evidence.files, evidence.record, evidence.ending)
    ]
    if not asked:
        return
    jobs = [evidences[position] for position in asked]
    now = jobs[0].now
    queue = engine.queue(not_before=now - max_age_s)
    words = _words(queue, jobs)
    missed = [at for evidence, word in zip(jobs, words) if (at := missed_at(evidence, word)) is not None]
    if missed:
        queue = engine.queue(not_before=min(max(missed), now))
        words = _words(queue, jobs)
    asked_at = now if queue.asked_at is None else queue.asked_at
    trouble = queue.message if isinstance(queue, Unavailable) else ""
    watch.heard[engine_name] = Heard(asked_at=asked_at, trouble=trouble)
    for position, evidence, word in zip(asked, jobs, words):
        evidences[position] = replace(evidence, queue=None if is_outdated(evidence, word) else word)
    since = min(evidence.record.submitted_at for evidence in jobs) - _ACCOUNTING_BEFORE_S
    with_exit_codes(evidences, asked, engine, since=since)
    vanished = [position for position in asked if _wants_accounting(evidences[position])]
    if not vanished:
        return
    jobs = [evidences[position] for position in vanished]
    ids = list(dict.fromkeys(JobId(evidence.record.array_job_id or evidence.record.job_id) for evidence in jobs))
    # Not older than the queue's answer: what left the queue before that must be told by this one.
    accounting = engine.accounting(ids, since_epoch_s=since, not_before=asked_at)
    for position, evidence, word in zip(vanished, jobs, _words(accounting, jobs)):
        evidences[position] = replace(evidence, accounting=word)


def _words(answer: Answer, jobs: Sequence[Evidence]) -> list[Word]:
    rows = RowIndex(answer.rows) if isinstance(answer, Rows) else None
    return [word_of(answer, evidence.record, rows) for evidence in jobs]


def _wants_accounting(evidence: Evidence) -> bool:
    queue = evidence.queue
    if queue is None or queue.row or evidence.fresh:
        return False
    return not decide(evidence).terminal


def _recall(watch: Watch, record: JobRecord, files: JobFiles, now: float) -> Memory:
    """The memory of this process, else of an earlier command."""
    key = record_key(record)
    memory = watch.memories.get(key) or _stored(record)
    beat = files.state.heartbeat_at if files.state else None
    if beat is not None:
        if key in watch.beats and watch.beats[key] != beat:
            memory = replace(memory, beat_seen_at=now)
        watch.beats[key] = beat
    return memory


def _stored(record: JobRecord) -> Memory:
    try:
        absence = Absence.read(_submission(record).vanished)
    except RecordError:
        return Memory()
    if absence is None:
        return Memory()
    return Memory(last_state=absence.last_state, absent_since=absence.first_at, unlisted_since=absence.unlisted_since)


def _stored_ending(record: JobRecord) -> Ending | None:
    try:
        return Ending.read(_submission(record).ending)
    except RecordError:
        return None  # the scheduler is asked again


def _remember(watch: Watch, evidence: Evidence, snapshot: JobSnapshot) -> JobSnapshot:
    """Keep what the next look needs: since when the queue lacks the job, and what it was before."""
    memory = evidence.memory
    known = snapshot.state if snapshot.state not in _NO_STATES else snapshot.last_known_state
    new = replace(
        memory,
        last_state=known or memory.last_state,
        absent_since=_since(evidence.queue, _is_there, memory.absent_since, evidence.now),
        unlisted_since=_since(evidence.accounting, _has_ended, memory.unlisted_since, evidence.now),
    )
    watch.memories[record_key(evidence.record)] = new
    over = snapshot.terminal and snapshot.state is not JobState.LOST  # the next command goes on from the same absence
    _store(evidence, memory, new, forget=over)
    if over and evidence.queue is not None:
        ending = _ending_of(snapshot)
        watch.endings[record_key(evidence.record)] = ending
        _write(evidence.record, ending, _submission(evidence.record).ending)
    if snapshot.terminal and evidence.queue is None and evidence.record.array_job_id is not None:
        watch.settled[record_key(evidence.record)] = snapshot
    return snapshot


def _ending_of(snapshot: JobSnapshot) -> Ending:
    return Ending(
        token=snapshot.record.submission_token,
        state=snapshot.state,
        source=snapshot.source,
        exit_code=snapshot.exit_code,
        signal=snapshot.signal,
        reason=snapshot.reason,
        nodelist=snapshot.nodelist,
        started_at=snapshot.started_at,
        ended_at=snapshot.ended_at,
        attempt=snapshot.attempt,
        seen_at=snapshot.observed_at,
    )


def _since(word: Word | None, is_found: Callable[[JobRow], bool], before: float | None, now: float) -> float | None:
    """When good answers began to lack what is looked for; a silent source interrupts nothing."""
    if word is None or not word.answered:
        return before
    if word.row and is_found(word.row):
        return None
    return before if before is not None else word.at(now)


def _is_there(_row: JobRow) -> bool:
    return True


def _has_ended(row: JobRow) -> bool:
    return row.state.is_terminal


def _store(evidence: Evidence, before: Memory, memory: Memory, *, forget: bool) -> None:
    record = evidence.record
    path = _submission(record).vanished
    if memory.absent_since is None or forget:
        if before.absent_since is not None:
            with suppress(RecordError):  # read again by the next command, which takes it away
                remove_file(path)
        return
    if (memory.absent_since, memory.unlisted_since) != (before.absent_since, before.unlisted_since):
        absence = Absence(
            token=record.submission_token,
            first_at=memory.absent_since,
            last_at=evidence.now,
            unlisted_since=memory.unlisted_since,
            last_state=memory.last_state,
        )
        _write(record, absence, path)


def _write(record: JobRecord, what: Format, path: OurPath) -> None:
    """Best effort: a folder that cannot be written only makes the next command start anew; a removed one stays away."""
    with suppress(RecordError):
        if file_exists(record.project.submission(record.submission_token).folder):
            what.replace(path)


def _submission(record: JobRecord) -> SubmissionPaths:
    """Where what was seen of the job is kept; the tasks of an array each have a place of their own."""
    paths = record.project.submission(record.submission_token)
    return paths if record.array_task_id is None else paths.of_task(record.array_task_id)


def engine_key(record: JobRecord) -> str:
    """Which scheduler knows the job: `slurm`, `local`, or `slurm@east` for one that went to another cluster by name."""
    return f"{record.backend}@{record.cluster}" if record.cluster else record.backend


def record_key(record: JobRecord) -> str:
    """What tells this job, or task of an array, from all others."""
    token = record.submission_token
    return token if record.array_task_id is None else f"{token}_{record.array_task_id}"


_NO_STATES = frozenset({JobState.UNKNOWN, JobState.UNREACHABLE, JobState.LOST})
