"""How an array is, from how its tasks are: a pure function of their snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compose_core.job_state import JobState
from compose_core.records.job_record import JobRecord
from compose_core.tracking.snapshot import JobSnapshot

_WORST_FIRST = (
    JobState.FAILED,
    JobState.OUT_OF_MEMORY,
    JobState.TIMEOUT,
    JobState.NODE_FAIL,
    JobState.LOST,
    JobState.DEADLINE,
    JobState.PREEMPTED,
    JobState.CANCELLED,
)
"""Which end an array is named after, when its tasks ended in several ways."""


def array_snapshot(record: JobRecord, tasks: Sequence[JobSnapshot]) -> JobSnapshot:
    """The array as one job: over when all of its tasks are, COMPLETED when all of them are."""
    speaker = _speaker(tasks)
    over = all(task.terminal for task in tasks)
    starts = [task.started_at for task in tasks if task.started_at is not None]
    ends = [task.ended_at for task in tasks if task.ended_at is not None]
    return replace(
        speaker,
        record=record,
        state=_state(tasks, speaker),
        terminal=over,
        exit_code=_exit_code(tasks) if over else None,
        signal=None,
        detail="" if over else speaker.detail,
        stale=any(task.stale for task in tasks),
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if over else None,
        expected_start_at=min(
            (task.expected_start_at for task in tasks if task.expected_start_at is not None), default=None
        ),
        heartbeat_at=None,
        attempt=None,
        nodelist="",
        services=(),
        warnings=tuple(f"task {task.record.array_task_id}: {text}" for task in tasks for text in task.warnings),
        tasks=tuple(tasks),
    )


def updated_array(known: JobSnapshot, by_files: JobSnapshot) -> JobSnapshot:
    """The array with what its tasks say themselves now, and for the others what was known before."""
    tasks = [new if new.source == "state" or new.terminal else old for old, new in zip(known.tasks, by_files.tasks)]
    return replace(array_snapshot(known.record, tasks), observed_at=by_files.observed_at)


def _speaker(tasks: Sequence[JobSnapshot]) -> JobSnapshot:
    """The task whose state and reason say most about the array."""
    unfinished = [task for task in tasks if not task.terminal]
    for group in (
        [task for task in unfinished if task.state.is_active],
        [task for task in unfinished if task.state.is_waiting],
        unfinished,
        [task for state in _WORST_FIRST for task in tasks if task.state is state],
        [task for task in tasks if task.failed],
    ):
        if group:
            return group[0]
    return tasks[0]


def _state(tasks: Sequence[JobSnapshot], speaker: JobSnapshot) -> JobState:
    """An array whose first tasks have ended is running, even while no task runs just now."""
    began = any(task.terminal or task.state.is_active for task in tasks)
    return JobState.RUNNING if speaker.state.is_waiting and began else speaker.state


def _exit_code(tasks: Sequence[JobSnapshot]) -> int | None:
    """0 when every task ended well; else that of the first task that has another one."""
    if all(task.succeeded for task in tasks):
        return 0
    return next((task.exit_code for task in tasks if task.exit_code), None)
