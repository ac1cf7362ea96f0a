"""What a monitor tells, one record at a time: the lines of its JSONL file, and what its state file has still to tell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.job_state import JobState


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, json_schema_extra={"additionalProperties": False}
    )


class _Row(_Part):
    schema_version: Literal[1] = 1
    number: int
    """Counts from 1 in each monitor, on over restarts: a record that is read twice can be told from two records."""
    logged_at: float


class _JobRow(_Row):
    name: str
    """The name of the job, with what tells it from others that are watched: `sweep/t003`, `train/41`."""
    job_id: str


class StatusCheck(_Row):
    """The jobs were looked at."""

    event: Literal["STATUS_CHECK"] = "STATUS_CHECK"
    poll: int
    engines: tuple[str, ...] = ("slurm",)
    """Who runs the jobs."""
    jobs: int
    counts: dict[str, int]
    """State to number; PENDING, RUNNING and COMPLETED always, others where there are any."""


class StateChange(_JobRow):
    """A job is in another state than before."""

    event: Literal["STATE_CHANGE"] = "STATE_CHANGE"
    previous: JobState
    current: JobState
    terminal: bool
    """It will not change any more."""
    exit_code: int | None = None
    reason: str = ""
    """Why it waits or ended, in the words of Slurm or of its supervisor."""
    started_at: float | None = None
    ended_at: float | None = None
    elapsed_s: float | None = None
    job_dir: str = ""
    compose_file: str = ""
    result_log: str = ""
    """The folder with the logs of its services."""


class ComputeMetrics(_JobRow):
    """What a job that ended has used of what it had asked for."""

    event: Literal["COMPUTE_METRICS"] = "COMPUTE_METRICS"
    state: JobState
    exceeded: bool = False
    """It was ended by its time limit."""
    wall_s: float | None = None
    time_limit_s: float | None = None
    time_percent: float | None = None
    gpus: int | None = None
    memory_used_bytes: int | None = None
    memory_requested_bytes: int | None = None
    cpu_percent: float | None = None
    """Of the CPU time it had, what it used."""
    measured: bool = True
    """False: nothing but its own times is known, also after a second question."""


class GpuNow(_Part):
    """One GPU at the time of the latest sample."""

    node: str = ""
    index: str = ""
    utilization_percent: float | None = None
    memory_used_mib: float | None = None
    memory_total_mib: float | None = None


class ResourceStatus(_JobRow):
    """What the GPUs of a running job do."""

    event: Literal["RESOURCE_STATUS"] = "RESOURCE_STATUS"
    sampled_at: float
    gpus: tuple[GpuNow, ...]


class QueryError(_Row):
    """The scheduler was not heard; the jobs keep the state that they had."""

    event: Literal["QUERY_ERROR"] = "QUERY_ERROR"
    failures: int
    """Questions in a row without an answer."""
    message: str


class Alert(_Row):
    """The scheduler was not heard several times in a row; told once."""

    event: Literal["ALERT"] = "ALERT"
    failures: int
    message: str
    answered_at: float | None = None
    """Its last answer; None: it never gave one to this monitor."""


class Recovered(_Row):
    """The scheduler is heard again after an alert."""

    event: Literal["RECOVERED"] = "RECOVERED"
    failures: int
    answered_at: float | None = None
    """Its last answer before that."""


class HookFailed(_JobRow):
    """The command of `--exec` did not end well; nothing else changes by that."""

    event: Literal["HOOK_FAILED"] = "HOOK_FAILED"
    of_number: int
    """The state change that it was called for."""
    message: str


class NotTracked(_JobRow):
    """The records of an unfinished job were removed: it is not watched any more."""

    event: Literal["NOT_TRACKED"] = "NOT_TRACKED"
    state: JobState
    """What it was last."""


class FailedJob(_Part):
    """A job that ended, and not well."""

    name: str
    job_id: str
    state: JobState
    exit_code: int | None = None


class AllComplete(_Row):
    """Every job has ended."""

    event: Literal["ALL_COMPLETE"] = "ALL_COMPLETE"
    jobs: int
    counts: dict[str, int]
    """State to number; COMPLETED and FAILED always, others where there are any."""
    failed: tuple[FailedJob, ...]
    total_s: float
    """Since the monitor was first started."""


ROWS = (
    StatusCheck,
    StateChange,
    ComputeMetrics,
    ResourceStatus,
    QueryError,
    Alert,
    Recovered,
    HookFailed,
    NotTracked,
    AllComplete,
)
Row = Annotated[
    StatusCheck
    | StateChange
    | ComputeMetrics
    | ResourceStatus
    | QueryError
    | Alert
    | Recovered
    | HookFailed
    | NotTracked
    | AllComplete,
    Field(discriminator="event"),
]
"""Any of them."""
