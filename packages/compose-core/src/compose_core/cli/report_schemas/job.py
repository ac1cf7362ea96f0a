"""Reports of how jobs are: `status`, `ps`, `jobs`, and `up` when its job has ended."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from compose_core.cli.report_schemas.report import Part, Report
from compose_core.records.job_record import JobRecord
from compose_core.records.state import ServiceState


class ServiceReport(ServiceState):
    """One service of a job; what its supervisor has not written is absent."""

    model_config = ConfigDict(extra="forbid")

    status: str  # type: ignore[assignment]  # a word of state.json, or `unknown`
    alive: bool


class TaskReport(Part):
    """One task of an array in short; `status --job-id <array>_<task>` says all."""

    task_id: int
    job_id: str
    state: str
    terminal: bool
    failed: bool
    exit_code: int | None
    cause: str | None
    reason: str
    detail: str
    started_at: float | None
    ended_at: float | None
    job_dir: str
    batch_log: str
    services: dict[str, str]
    """Service name to its status."""


class ArraySummaryReport(Part):
    """The tasks of an array, counted."""

    spec: str
    task_count: int
    counts: dict[str, int]
    """How many tasks are in which state."""
    failed_tasks: list[int]


class ArrayReport(ArraySummaryReport):
    """The tasks of an array."""

    tasks: list[TaskReport]


class JobFields(Part):
    """How a job is."""

    job_id: str
    name: str
    submission_token: str
    backend: Literal["slurm", "local"]
    """The engine."""
    state: str
    """A state of Slurm, or SUBMITTING, UNKNOWN, UNREACHABLE, LOST."""
    last_known_state: str | None
    source: Literal["state", "squeue", "sacct", "scontrol", "local", "record"]
    terminal: bool
    failed: bool
    exit_code: int | None
    signal: int | None
    cause: str | None
    reason: str
    detail: str
    observed_at: float
    stale: bool
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    expected_start_at: float | None
    """When Slurm thinks that the waiting job will start."""
    heartbeat_at: float | None
    attempt: int | None
    is_resume: bool | None
    time_limit_s: int | None
    nodelist: str
    services: list[ServiceReport]
    """Empty for an array as a whole."""
    warnings: list[str]
    array_job_id: str | None
    """Set for one task of an array."""
    array_task_id: int | None
    array: ArrayReport | None
    """Set for an array as a whole."""


class JobReport(JobFields, Report):
    """One job inside another report."""


class RecordReport(JobRecord):
    """What was written down at submission."""

    model_config = ConfigDict(extra="forbid")


class StatusReport(JobReport):
    """`status`."""

    record: RecordReport
    log_dir: str | None
    """None for an array: each task has its own."""


class WatchReport(JobReport):
    """`watch`, when the job has ended."""

    record: RecordReport


class UpReport(JobReport):
    """`up`, when the job has ended."""

    submitted: Literal[True]
    attached: bool
    dry_run: Literal[False]
    engine: Literal["slurm", "local"]
    compose_file: str
    script_path: str
    job_dir: str
    batch_log: str
    service_logs: dict[str, str]


class PsReport(Report):
    """`ps`."""

    job_id: str
    name: str
    state: str
    source: str
    terminal: bool
    failed: bool
    exit_code: int | None
    observed_at: float
    services: list[ServiceReport]
    array: ArrayReport | None


class ResolutionReport(Report):
    """A submission that is not settled."""

    token: str
    status: str
    name: str
    engine: Literal["slurm", "local"] | None
    run_key: str | None
    created_at: float | None
    job_id: str | None
    message: str


class ListedServiceReport(Part):
    """One service of a job in a list."""

    service_name: str
    status: str
    alive: bool
    last_exit_code: int | None


class ListedJobReport(JobReport):
    """One job in a list; `status` says all of it."""

    kind: str
    project_dir: str
    compose_file: str
    job_dir: str
    batch_log: str
    services: list[ListedServiceReport]  # type: ignore[assignment]  # in short
    array: ArraySummaryReport | None  # type: ignore[assignment]


class JobsReport(Report):
    """`jobs`."""

    project_dir: str | None
    """None with --global."""
    jobs: list[ListedJobReport]
    tracked_jobs: int
    """How many there are in all."""
    matching_jobs: int
    """How many of them are asked for; --limit may leave some of these out."""
    open_submissions: list[ResolutionReport]
    warnings: list[str]
