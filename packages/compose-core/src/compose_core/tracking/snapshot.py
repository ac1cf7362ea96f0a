"""How a job is and how each of its services is: what `observe` answers, and what reports show of it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from compose_core.frozen import Frozen
from compose_core.job_state import JobState
from compose_core.records.job_record import JobRecord
from compose_core.records.state import ServiceState

Source = Literal["state", "squeue", "sacct", "scontrol", "local", "record"]


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
