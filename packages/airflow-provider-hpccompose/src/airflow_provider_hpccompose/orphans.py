"""Jobs of this Airflow that nobody waits for any more: how they are told from those that somebody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_hpccompose.doors import JobHandle, JobReport
from airflow_provider_hpccompose.finding import find_known
from airflow_provider_hpccompose.triggers.task_state import has_left_its_task

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, KeyEntry
    from airflow_provider_hpccompose.sweep_doors import SweepCalls, SweepHandle, SweepReport

OUR_KEYS = "af-"
OLDEST_S = 90 * 86400.0
"""Keys that are older are not looked at."""
_OPEN_RUNS = frozenset({"queued", "running"})


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What Airflow knows of the task instance of a job."""

    state: str | None
    operator: str = ""
    """The class of its operator."""
    run_state: str | None = None


TaskLookup = Callable[[Mapping[str, str]], TaskFacts | None]
"""From the labels of a job to its task instance; None: there is none any more."""


@dataclass(frozen=True, kw_only=True)
class ActiveJob:
    """A job of this Airflow that waits or runs, or a sweep of it whose trials do."""

    handle: JobHandle
    report: JobReport
    labels: Mapping[str, str]
    age_s: float
    task: TaskFacts | None = None
    orphan: str = ""
    """Why nobody waits for it; empty: somebody does, or may."""
    outcome: str = ""
    """What came of ending it: `cancelled`, or why it was not."""
    sweep: SweepHandle | None = None

    def as_json(self) -> dict[str, Any]:
        """One row of a report."""
        return {
            "job_id": self.handle.job_id,
            "key": self.handle.key,
            "sweep_id": self.sweep.sweep_id if self.sweep else None,
            "cluster": self.handle.cluster,
            "state": self.report.state,
            "age_s": round(self.age_s),
            **{name: self.labels.get(name) for name in ("dag_id", "run_id", "task_id", "map_index", "generation")},
            "task_state": self.task.state if self.task else None,
            "is_orphan": bool(self.orphan),
            "why": self.orphan,
            "outcome": self.outcome,
        }


def active_jobs(door: Door, *, instance: str, task_of: TaskLookup, now: float, older_than_s: float) -> list[ActiveJob]:
    """All jobs and sweeps of this Airflow that are not over, with what their tasks say.

    It costs one question to the scheduler for all jobs, and one for each sweep.

    Raises: HpccError: nobody can say.
    """
    ours = [entry for entry in door.keys(OUR_KEYS, now - OLDEST_S) if entry.labels.get("instance") == instance]
    newest = _newest_generations(ours)
    jobs = [
        *_jobs(door, {entry.key: entry for entry in ours if not _is_sweep(entry)}, now),
        *_sweeps(door, {entry.key: entry for entry in ours if _is_sweep(entry)}, now),
    ]
    told = []
    for job in jobs:
        job = replace(job, task=task_of(job.labels))
        why = _orphan(job, is_newest=_generation(job.labels) >= newest[_task_key(job.labels)])
        told.append(replace(job, orphan=why if job.age_s >= older_than_s else ""))
    return told


def _jobs(door: Door, entries: Mapping[str, KeyEntry], now: float) -> Iterator[ActiveJob]:
    found = find_known(door, sorted(entries))
    keys = sorted(found)
    reports = door.observe([found[key] for key in keys]) if keys else []
    for key, report in zip(keys, reports, strict=True):
        if not report.is_over and report.verdict != "unknown":
            entry = entries[key]
            yield ActiveJob(handle=found[key], report=report, labels=entry.labels, age_s=now - entry.created_at)


def _sweeps(door: Door, entries: Mapping[str, KeyEntry], now: float) -> Iterator[ActiveJob]:
    live = cast("SweepCalls", door).live_sweeps(sorted(entries)) if entries else {}  # every door is one
    for key, sweeps in live.items():
        entry = entries[key]
        for sweep, report in sweeps:
            handle, shown = _as_job(sweep, report)
            yield ActiveJob(handle=handle, report=shown, labels=entry.labels, age_s=now - entry.created_at, sweep=sweep)


def _as_job(sweep: SweepHandle, report: SweepReport) -> tuple[JobHandle, JobReport]:
    """A sweep in a list of jobs: its arrays, and its trials in numbers."""
    ids = ",".join(sweep.jobs) or sweep.sweep_id
    handle = JobHandle(
        conn_id=sweep.conn_id, engine=sweep.engine, job_id=ids, token="", key=sweep.key, project_dir=sweep.project_dir
    )
    shown = JobReport(
        job_id=ids,
        token="",
        state=report.text(),
        verdict="unreachable" if report.is_unreachable else "active",
        is_active=True,
        is_over=False,
    )
    return handle, shown


def end_orphans(door: Door, jobs: Iterable[ActiveJob], *, task_of: TaskLookup) -> list[ActiveJob]:
    """The same jobs, the orphans among them ended; each is looked at once more before, for a new try may have come."""
    return [_ended(door, job, task_of) if job.orphan else job for job in jobs]


def _ended(door: Door, job: ActiveJob, task_of: TaskLookup) -> ActiveJob:
    from compose_core import HpccError

    if task_of(job.labels) != job.task:
        return replace(job, outcome="left alone: its task has just changed")
    if job.report.verdict == "unreachable":
        return replace(job, outcome="left alone: the scheduler does not answer")
    try:
        if job.sweep is not None:
            cast("SweepCalls", door).stop_sweep(job.sweep, reason="reaped: no task waits for it")
        else:
            door.cancel(job.handle)
    except HpccError as error:
        return replace(job, outcome=f"failed: {error}")
    return replace(job, outcome="cancelled")


def _orphan(job: ActiveJob, *, is_newest: bool) -> str:
    """Why nobody waits for the job; empty: somebody does, or may, or it was meant to run on."""
    if job.labels.get("on_kill") == "keep":
        return ""
    if not is_newest:
        return "" if job.labels.get("on_clear") == "keep" else "its task was cleared and has a newer job"
    task = job.task
    if task is None:
        return "its task instance is gone"
    if task.state is None:
        return "" if task.run_state in _OPEN_RUNS else "its task was cleared and its run does not go on"
    if not has_left_its_task(task.state):
        return ""
    if task.state == "success" and "Submit" in task.operator:
        return ""  # another task waits for it, or nobody was meant to
    return f"its task is over ({task.state})"


def _newest_generations(entries: Iterable[KeyEntry]) -> dict[tuple[str | None, ...], int]:
    newest: dict[tuple[str | None, ...], int] = {}
    for entry in entries:
        key = _task_key(entry.labels)
        newest[key] = max(newest.get(key, 0), _generation(entry.labels))
    return newest


def _task_key(labels: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(labels.get(name) for name in ("dag_id", "run_id", "task_id", "map_index"))


def _generation(labels: Mapping[str, str]) -> int:
    text = labels.get("generation", "")
    return int(text) if text.isdecimal() else 0


def _is_sweep(entry: KeyEntry) -> bool:
    return entry.labels.get("kind") == "sweep"
