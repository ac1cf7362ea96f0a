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


class LogFileReport(Part):
    """A log on disk."""

    path: str
    present: bool
    updated_at: float | None
    updated_age_seconds: float | None
    size_bytes: int | None


class LookedAtServiceReport(ServiceReport):
    """One service of a job, and its log."""

    path: str
    present: bool
    updated_at: float | None
    updated_age_seconds: float | None
    size_bytes: int | None
    duration_seconds: float | None


class SchedulerReport(Part):
    """The job's state, and where it is known from."""

    state: str
    source: str
    terminal: bool
    failed: bool
    detail: str


class QueueDiagnosticsReport(Part):
    """Why a job waits, and for how long."""

    pending_reason: str
    """Slurm's word; empty when it does not wait."""
    pending_reason_in_words: str
    eligible_at: float | None
    """From when on it may start."""
    expected_start_at: float | None


class JobPathsReport(Part):
    """Where a job's files lie."""

    compose_file: str
    script_path: str
    runtime_root: str
    job_dir: str
    cache_dir: str


class WalltimeReport(Part):
    """Time used and left."""

    used_s: float | None
    limit_s: int | None
    remaining_s: float | None
    """None when the job is over or has no limit."""


class FirstFailureReport(Part):
    """The first failure of any service, also one that a restart made good."""

    service_name: str
    first_failure_at: float | None
    exit_code: int | None
    node: str | None
    rank: int | None
    failure_reason: str | None


class StatusReport(JobReport):
    """`status`."""

    services: list[LookedAtServiceReport]  # type: ignore[assignment]
    record: RecordReport
    log_dir: str | None
    """None for an array: each task has its own."""
    attempts: list[int]
    """Those that have a folder of their own."""
    resume_dir: str | None
    scheduler: SchedulerReport
    queue_diagnostics: QueueDiagnosticsReport
    batch_log: LogFileReport | None
    """None for an array: each task has its own."""
    paths: JobPathsReport
    walltime: WalltimeReport
    first_failure: FirstFailureReport | None


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
    services: list[LookedAtServiceReport]
    array: ArrayReport | None
    attempt: int | None
    attempts: list[int]
    is_resume: bool | None
    resume_dir: str | None
    log_dir: str | None


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


class FailingServiceReport(Part):
    """The service that failed first."""

    service_name: str
    status: str
    last_exit_code: int | None
    last_signal: int | None
    exit_code_meaning: str
    failure_reason: str | None
    first_failure_at: float | None
    first_failure_exit_code: int | None
    first_failure_node: str | None
    first_failure_rank: int | None
    restart_count: int
    log_path: str


class LikelyCauseReport(Part):
    """What may have gone wrong, and what speaks for it."""

    name: str
    title: str
    evidence: list[str]
    advice: str


class LogTailReport(LogFileReport):
    """The end of one log."""

    name: str
    kind: Literal["service", "batch"]
    lines: list[str]
    fault: str
    """Why it cannot be read."""


class NextCommandReport(Part):
    """Something to type next."""

    command: str
    why: str


class DebugReport(Report):
    """`debug`."""

    job_id: str
    """Of an array the task that is looked at."""
    name: str
    state: str
    last_known_state: str | None
    source: str
    terminal: bool
    failed: bool
    exit_code: int | None
    exit_code_meaning: str
    cause: str | None
    reason: str
    reason_in_words: str
    detail: str
    attempt: int | None
    observed_at: float
    headline: str
    facts: list[str]
    failing_service: FailingServiceReport | None
    likely_causes: list[LikelyCauseReport]
    """The most telling first."""
    logs: list[LogTailReport]
    next_commands: list[NextCommandReport]
    failed_tasks: list[str]
    warnings: list[str]
