"""What is known of how much jobs used: the accounting, `sstat` for steps that run, the sampler's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compose_core.clock import Clock
from compose_core.cluster.engine import Engine, Unavailable
from compose_core.cluster.usage_rows import StepUsage, UsageRow, UsageRows
from compose_core.errors import RecordError
from compose_core.job_state import JobId
from compose_core.records.job_record import JobRecord
from compose_core.records.json_text import JsonObject
from compose_core.records.metrics import MetricsFile, MetricsMeta, metric_rows, metrics_file
from compose_core.records.paths import JobPaths
from compose_core.records.state import StateFile
from compose_core.tracking.job_files import attempt_paths, read_job_files
from compose_core.tracking.snapshot import JobSnapshot

LAG_S = 300.0
"""An accounting that has not heard of a job's end by then will not hear of it because somebody waits."""
PATIENCE_S = 30.0
_PAUSES_S = (3.0, PATIENCE_S - 3.0)
"""Most often it is behind by a second or two."""

Say = Callable[[str], None]


@dataclass(slots=True)
class SampledFiles:
    """The sampler's files of one job, or of one attempt of it; each is read as a stream."""

    paths: JobPaths
    meta: MetricsMeta | None = None
    state: StateFile | None = None
    faults: list[str] = field(default_factory=list)
    """Files that are there and cannot be used, and why; grows while rows are read."""

    def rows(self, name: MetricsFile) -> Iterator[JsonObject]:
        """The rows of a file in their order; none when it is not there."""
        try:
            yield from metric_rows(metrics_file(self.paths.metrics, name))
        except RecordError as error:
            self.faults.append(error.message)


def sampled_files(record: JobRecord, attempt: int | None = None) -> SampledFiles:
    """What the sampler wrote in the job's newest attempt, or in this one.

    Raises: UsageError: the job has no such attempt.
    """
    if attempt is None:
        files = read_job_files(record)
        found = SampledFiles(paths=files.paths, state=files.state, faults=list(files.faults))
    else:
        found = SampledFiles(paths=attempt_paths(record, attempt))
        found.state = _state(found)
    try:
        found.meta = MetricsMeta.read(found.paths.metrics_meta)
    except RecordError as error:
        found.faults.append(error.message)
    return found


def _state(files: SampledFiles) -> StateFile | None:
    try:
        return StateFile.read(files.paths.state)
    except RecordError as error:
        files.faults.append(error.message)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """What the accounting said of some jobs."""

    rows: Mapping[str, tuple[UsageRow, ...]] = field(default_factory=dict)
    """By job id, of an array by the ids of its tasks."""
    fault: Unavailable | None = None
    """Why there are none."""
    malformed: int = 0

    def of(self, record: JobRecord) -> tuple[UsageRow, ...]:
        """The rows of one job or task."""
        return self.rows.get(record.job_id, ())


def accounted(
    engine: Engine,
    clock: Clock,
    snapshots: Sequence[JobSnapshot],
    *,
    is_settled: Callable[[Sequence[UsageRow]], bool],
    say: Say | None = None,
) -> Accounted:
    """The rows of these jobs, asked for in one call.

    With `say`, a job that ended lately and whose end the accounting has not heard of is asked for again, 3 s later and
    at last 30 s later; `say` is told before. Without, the first answer counts.
    """
    if not snapshots:
        return Accounted()
    answer = _asked(engine, [snapshot.record for snapshot in snapshots])
    if answer.fault is not None or say is None or engine.name == "local":
        return answer
    late = list(snapshots)
    for number, pause_s in enumerate(_PAUSES_S):
        late = [snapshot for snapshot in late if _is_late(snapshot, answer, clock.now(), is_settled)]
        if not late:
            break
        if number == 0:
            say(
                f"the accounting has not heard yet how {_named(late)} ended: waiting for it, {PATIENCE_S:.0f} s at most"
            )
        clock.sleep(pause_s)
        again = _asked(engine, [snapshot.record for snapshot in late])
        if again.fault is None:
            answer = replace(answer, rows={**answer.rows, **again.rows})
    return answer


def _asked(engine: Engine, records: Sequence[JobRecord]) -> Accounted:
    ids = list(dict.fromkeys(JobId(record.job_id) for record in records))
    answer = engine.usage(ids, since_epoch_s=min(record.submitted_at for record in records))
    if isinstance(answer, Unavailable):
        return Accounted(fault=answer)
    return Accounted(rows=_by_job(answer), malformed=answer.malformed)


def _by_job(answer: UsageRows) -> dict[str, tuple[UsageRow, ...]]:
    found: dict[str, list[UsageRow]] = {}
    for row in answer.rows:
        found.setdefault(row.job_id, []).append(row)
    return {job_id: tuple(rows) for job_id, rows in found.items()}


def _is_late(
    snapshot: JobSnapshot, answer: Accounted, now: float, is_settled: Callable[[Sequence[UsageRow]], bool]
) -> bool:
    """It ended lately, after having run, and the accounting does not know all of it."""
    if not snapshot.terminal or not _ended_lately(snapshot, now):
        return False
    if snapshot.tasks:
        return any(_is_late(task, answer, now, is_settled) for task in snapshot.tasks)
    return snapshot.started_at is not None and not is_settled(answer.of(snapshot.record))


def _ended_lately(snapshot: JobSnapshot, now: float) -> bool:
    """The queue, which tells no end, knows a job for some minutes only."""
    if snapshot.ended_at is None:
        return snapshot.source == "squeue"
    return 0 <= now - snapshot.ended_at <= LAG_S


def _named(snapshots: Sequence[JobSnapshot]) -> str:
    if len(snapshots) == 1:
        return f"job {snapshots[0].job_id}"
    return f"{len(snapshots)} jobs"


def running_steps(
    engine: Engine, files: Mapping[str, SampledFiles]
) -> tuple[dict[str, tuple[StepUsage, ...]], Unavailable | None]:
    """What the steps of these jobs (id to files) use now, by job id, in one call; and why nothing is known."""
    numbers = {_own_number(job_id, found): job_id for job_id, found in files.items()}
    if not numbers:
        return {}, None
    answer = engine.running_usage([JobId(number) for number in numbers])
    if isinstance(answer, Unavailable):
        return {}, answer
    steps: dict[str, list[StepUsage]] = {}
    for step in answer.steps:
        job_id = numbers.get(step.job_id)
        if job_id is not None:
            steps.setdefault(job_id, []).append(step)
    return {job_id: tuple(found) for job_id, found in steps.items()}, None


def _own_number(job_id: str, files: SampledFiles) -> str:
    """What `sstat` calls the job: a task of an array has a number of its own."""
    told = files.state.slurm_job_id if files.state else None
    return told if told and told.isascii() and told.isdigit() else job_id
