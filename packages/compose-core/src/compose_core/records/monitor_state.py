"""What a monitor has seen and told, so that one that was killed goes on where it was."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from compose_core.job_state import JobState
from compose_core.records.format import Format, JobIdText, TokenText
from compose_core.records.job_record import JobRecord
from compose_core.records.monitor_rows import Row, StateChange


class WatchedJob(BaseModel):
    """One job, or one task of an array, as the monitor saw it last."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)

    job_id: JobIdText
    submission_token: TokenText
    array_task_id: int | None = None
    submit_dir: str
    backend: str = "slurm"
    name: str
    """As its records call it."""
    state: JobState = JobState.PENDING
    """Every job began so: what happened before the first look is told by that look."""
    shown: JobState = JobState.PENDING
    """As it is counted: UNREACHABLE and UNKNOWN are no change of state, but are not hidden."""
    terminal: bool = False
    exit_code: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    time_limit_s: float | None = None
    metrics: Literal["no", "due", "again", "told"] = "no"
    """What is to come of its compute metrics; `again`: the accounting had nothing yet."""
    metrics_at: float | None = None
    """When they are asked for."""

    @property
    def key(self) -> str:
        """What stands for it among the watched ones."""
        return watched_key(self.submission_token, self.array_task_id)


class MonitorState(Format):
    """`monitors/<name>.json`."""

    max_bytes: ClassVar[int] = 256 * 1024 * 1024

    selection: str
    """What the monitor was started for, for people."""
    started_at: float
    polls: int = 0
    next_number: int = 1
    jobs: tuple[WatchedJob, ...] = ()
    failures: int = 0
    """Questions in a row that the scheduler did not answer."""
    alerted: bool = False
    answered_at: float | None = None
    untold: tuple[Row, ...] = ()
    """Records that may not have reached the log yet."""
    log_size: int | None = None
    """How long the log was before the first of them; None: there is no log."""
    jsonl_size: int | None = None
    hooks: tuple[StateChange, ...] = ()
    """State changes whose `--exec` command has not ended yet."""
    finished_at: float | None = None
    """Set when every job has ended and all is counted."""
    closed_at: float | None = None
    """Set when all of it is told, too: the next monitor begins anew."""


def watched_key(token: str, task: int | None) -> str:
    """What stands for a job or a task among the watched ones."""
    return token if task is None else f"{token}_{task}"


def key_of(record: JobRecord) -> str:
    """What stands for the job of this record."""
    return watched_key(record.submission_token, record.array_task_id)
