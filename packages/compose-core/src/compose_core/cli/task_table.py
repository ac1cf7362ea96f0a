"""The tasks of an array: one line each, and all of them in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.tracking.state_text import state_text
from compose_core.units import counted, format_duration

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.tracking.snapshot import JobSnapshot

FAILURES_NAMED = 20


def print_tasks(output: Output, snapshot: JobSnapshot) -> None:
    """All tasks in order."""
    rows = [[task.job_id, state_text(task), _elapsed(task), _services(task)] for task in snapshot.tasks]
    output.table(["TASK", "STATE", "TIME", "SERVICES"], rows)


def task_counts(snapshot: JobSnapshot) -> str:
    """`10 tasks: 7 COMPLETED, 2 RUNNING, 1 FAILED`."""
    counts = ", ".join(f"{count} {state}" for state, count in snapshot.task_counts.items())
    return f"{counted(len(snapshot.tasks), 'task')}: {counts}"


def failed_tasks(snapshot: JobSnapshot) -> list[str]:
    """One line for each of the first tasks that ended badly."""
    failed = [task for task in snapshot.tasks if task.failed]
    lines = [f"task {task.record.array_task_id}: {state_text(task)}" for task in failed[:FAILURES_NAMED]]
    more = len(failed) - FAILURES_NAMED
    return [*lines, f"and {more} more"] if more > 0 else lines


def _services(task: JobSnapshot) -> str:
    return " ".join(f"{service.name}={service.status}" for service in task.services) or "-"


def _elapsed(task: JobSnapshot) -> str:
    if task.started_at is None:
        return "-"
    end = task.ended_at if task.ended_at is not None else task.observed_at
    return format_duration(max(0.0, end - task.started_at))
