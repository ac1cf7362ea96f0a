"""How much jobs used, read from everywhere where it is known: the verb behind `stats`, advice and the monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from compose_core.insight.samples import MetricRows, Samples, sum_up
from compose_core.insight.usage import JobUsage, is_settled, job_usage
from compose_core.insight.usage_sum import sum_of
from compose_core.job_state import JobState
from compose_core.operations import engines_of, observe
from compose_core.tracking.observe import Watch, engine_key
from compose_core.tracking.usage import Accounted, SampledFiles, Say, accounted, running_steps, sampled_files

if TYPE_CHECKING:
    from compose_core.cluster.engine import Engine, Unavailable
    from compose_core.cluster.site import Site
    from compose_core.cluster.usage_rows import StepUsage, UsageRow
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

_CLOCKS_DIFFER_S = 3600.0
_FRESH_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReading:
    """One job, and what it used."""

    snapshot: JobSnapshot
    usage: JobUsage
    """Of an array the sum of its tasks."""
    files: SampledFiles | None = None
    """None for an array as a whole."""
    source: Literal["sampler", "sstat", ""] = ""
    """Where figures of the run itself come from; empty: there are none."""
    rows: tuple[UsageRow, ...] = ()
    """Of the accounting, for the job and its steps."""
    live: tuple[StepUsage, ...] = ()
    accounting_fault: Unavailable | None = None
    """Why the accounting said nothing although it was asked."""
    tasks: tuple[UsageReading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuestion:
    """What to look at for usage."""

    accounting: bool = True
    """Ask `sacct`: one call for all jobs."""
    steps: bool = True
    """Ask `sstat` about running jobs whose samples do not tell of steps: one call for all jobs."""
    samples: bool = True
    """Read the sampler's files."""
    attempt: int | None = None
    """Of a job with `x-slurm.resume`; the accounting tells of the newest one alone."""
    say: Say | None = None
    """Set: an accounting that lags behind is waited for, 30 s at most; this is told before."""
    watch: Watch = field(default_factory=Watch)


def read_usage(site: Site, records: Sequence[JobRecord], question: UsageQuestion | None = None) -> list[UsageReading]:
    """One reading per record, in their order.

    Raises: UsageError: the job has no such attempt.
    """
    question = question or UsageQuestion()
    snapshots = observe(site, records, watch=question.watch)
    return usage_of(site, snapshots, question)


def usage_of(site: Site, snapshots: Sequence[JobSnapshot], question: UsageQuestion | None = None) -> list[UsageReading]:
    """The same for jobs that have been looked at already: the queue is not asked again.

    Raises: UsageError: the job has no such attempt.
    """
    question = question or UsageQuestion()
    single = [task for snapshot in snapshots for task in snapshot.tasks or (snapshot,)]
    found = _found(single, question, site.clock.now())
    for key, engine in engines_of(site, [snapshot.record for snapshot in snapshots]).items():
        _ask(engine, [one for one in found if engine_key(one.snapshot.record) == key], snapshots, question, site)
    readings = {id(one.snapshot): one.reading(question, site.clock.now()) for one in found}
    return [_reading(snapshot, readings) for snapshot in snapshots]


def _reading(snapshot: JobSnapshot, readings: Mapping[int, UsageReading]) -> UsageReading:
    if not snapshot.tasks:
        return readings[id(snapshot)]
    tasks = tuple(readings[id(task)] for task in snapshot.tasks)
    faults = [task.accounting_fault for task in tasks if task.accounting_fault is not None]
    return UsageReading(
        snapshot=snapshot,
        usage=sum_of([task.usage for task in tasks], job_id=snapshot.job_id, state=str(snapshot.state)),
        source=next((task.source for task in tasks if task.source), ""),
        accounting_fault=faults[0] if faults else None,
        tasks=tasks,
    )


@dataclass(slots=True)
class _Found:
    """What has been found of one job so far."""

    snapshot: JobSnapshot
    files: SampledFiles
    samples: Samples | None = None
    accounted: Accounted = field(default_factory=Accounted)
    live: tuple[StepUsage, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def wants_steps(self) -> bool:
        """It runs, and no fresh sample tells of its steps."""
        return self.snapshot.state in (JobState.RUNNING, JobState.COMPLETING, JobState.SUSPENDED)

    def has_fresh_steps(self, now: float) -> bool:
        """The sampler told of its steps a moment ago."""
        if self.samples is None or not self.samples.steps:
            return False
        return now - max(step.last_at for step in self.samples.steps) < _FRESH_S + 3 * self.samples.interval_s

    def reading(self, question: UsageQuestion, now: float) -> UsageReading:
        """All of it together."""
        snapshot = self.snapshot
        rows = self.accounted.of(snapshot.record)
        is_old = question.attempt is not None and question.attempt != snapshot.attempt
        usage = job_usage(
            snapshot.job_id,
            rows=() if is_old else rows,
            live=self.live,
            samples=self.samples,
            requests=snapshot.record.requests,
            services=self.files.state.services if self.files.state else (),
            state=str(snapshot.state),
            wall_s=_wall_s(self.files, snapshot, now, is_old=is_old),
            time_limit_s=snapshot.time_limit_s,
            nodes=_node_count(self.files),
            notes=[*self.notes, *self.files.faults, *_notes(self, question, rows, is_old=is_old)],
        )
        has_samples = self.samples is not None and not self.samples.is_empty
        return UsageReading(
            snapshot=snapshot,
            usage=usage,
            files=self.files,
            source="sampler" if has_samples else "sstat" if self.live else "",
            rows=rows,
            live=self.live,
            accounting_fault=self.accounted.fault,
        )


def _found(snapshots: Sequence[JobSnapshot], question: UsageQuestion, now: float) -> list[_Found]:
    found = []
    for snapshot in snapshots:
        files = sampled_files(snapshot.record, question.attempt)
        one = _Found(snapshot=snapshot, files=files)
        if question.samples:
            one.samples = read_samples(files, since=snapshot.submitted_at, until=now)
        found.append(one)
    return found


def read_samples(files: SampledFiles, *, since: float, until: float) -> Samples:
    """The sampler's files of one job, summed up; clocks of nodes may differ by up to an hour."""
    rows = MetricRows(
        gpu=files.rows("gpu"),
        gpu_processes=files.rows("gpu_processes"),
        slurm=files.rows("slurm"),
        cpu=files.rows("cpu"),
    )
    return sum_up(files.meta, rows, begin=since - _CLOCKS_DIFFER_S, end=until + _CLOCKS_DIFFER_S)


def _ask(
    engine: Engine,
    found: Sequence[_Found],
    snapshots: Sequence[JobSnapshot],
    question: UsageQuestion,
    site: Site,
) -> None:
    """One call of each program for all these jobs."""
    if question.accounting:
        mine = [snapshot for snapshot in snapshots if snapshot.record.backend == engine.name]
        answer = accounted(engine, site.clock, mine, is_settled=is_settled, say=question.say)
        for one in found:
            one.accounted = answer
    if question.steps and engine.name == "slurm":
        now = site.clock.now()
        running = [one for one in found if one.wants_steps and not one.has_fresh_steps(now)]
        steps, fault = running_steps(engine, {one.snapshot.job_id: one.files for one in running})
        for one in running:
            one.live = steps.get(one.snapshot.job_id, ())
            if fault is not None:
                one.notes.append(f"sstat did not answer: {fault.message}")


def _notes(found: _Found, question: UsageQuestion, rows: Sequence[UsageRow], *, is_old: bool) -> list[str]:
    """What has to be said about figures that are missing."""
    notes = []
    fault = found.accounted.fault
    if fault is not None and fault.kind == "disabled":
        notes.append("This site keeps no accounting: figures come from the job's own records and samples.")
    elif fault is not None:
        notes.append(f"The accounting did not answer ({fault.message}): its figures are unknown, not zero.")
    elif question.accounting and is_old:
        notes.append("The accounting tells of the newest attempt alone: its figures are left out.")
    elif question.accounting and found.snapshot.record.backend == "slurm" and found.snapshot.started_at is not None:
        if not rows:
            notes.append("The accounting does not know the job (yet).")
        elif found.snapshot.terminal and not is_settled(rows):
            notes.append("The accounting has not heard how the job ended yet: its figures may grow.")
    return notes


def _wall_s(files: SampledFiles, snapshot: JobSnapshot, now: float, *, is_old: bool) -> float | None:
    """From start to end, or until now."""
    begin = files.state.started_at if files.state else None
    end = files.state.finished_at if files.state else None
    if not is_old:
        begin = snapshot.started_at if snapshot.started_at is not None and not snapshot.state.is_waiting else begin
        end = snapshot.ended_at if snapshot.ended_at is not None else end
    if begin is None or (is_old and end is None):
        return None
    if end is None and snapshot.terminal:
        return None
    return max(0.0, (end if end is not None else now) - begin)


def _node_count(files: SampledFiles) -> int | None:
    counts = [service.nodes for service in files.state.services if service.nodes] if files.state else []
    return max(counts, default=None)
