"""Jobs of this Airflow that nobody waits for any more: how they are told from those that somebody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_hpccompose.triggers.task_state import has_left_its_task

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport, KeyEntry

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
    """A job of this Airflow that waits or runs."""

    handle: JobHandle
    report: JobReport
    labels: Mapping[str, str]
    age_s: float
    task: TaskFacts | None = None
    orphan: str = ""
    """Why nobody waits for it; empty: somebody does, or may."""
    outcome: str = ""
    """What came of ending it: `cancelled`, or why it was not."""

    def as_json(self) -> dict[str, Any]:
        """One row of a report."""
        return {
            "job_id": self.handle.job_id,
            "key": self.handle.key,
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
    """All jobs of this Airflow that are not over, with what their tasks say; one question to the scheduler.

    Raises: HpccError: nobody can say.
    """
    entries = {
        entry.key: entry for entry in door.keys(OUR_KEYS, now - OLDEST_S) if entry.labels.get("instance") == instance
    }
    found = door.find(sorted(entries)) if entries else {}
    keys = sorted(found)
    reports = door.observe([found[key] for key in keys]) if keys else []
    newest = _newest_generations(entries[key] for key in keys)
    jobs = []
    for key, report in zip(keys, reports, strict=True):
        if report.is_over or report.verdict == "unknown":
            continue
        entry = entries[key]
        job = ActiveJob(handle=found[key], report=report, labels=entry.labels, age_s=now - entry.created_at)
        job = replace(job, task=task_of(entry.labels))
        why = _orphan(job, is_newest=_generation(entry) >= newest[_task_key(entry)])
        jobs.append(replace(job, orphan=why if job.age_s >= older_than_s else ""))
    return jobs


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
        key = _task_key(entry)
        newest[key] = max(newest.get(key, 0), _generation(entry))
    return newest


def _task_key(entry: KeyEntry) -> tuple[str | None, ...]:
    return tuple(entry.labels.get(name) for name in ("dag_id", "run_id", "task_id", "map_index"))


def _generation(entry: KeyEntry) -> int:
    text = entry.labels.get("generation", "")
    return int(text) if text.isdecimal() else 0
