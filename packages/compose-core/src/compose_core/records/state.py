"""How a job is now, as its supervisor writes it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.records.end_marker import Cause
from compose_core.records.format import Format, JobIdText, TokenText

ServiceStatus = Literal["waiting", "starting", "running", "ready", "backoff", "exited", "failed", "stopped", "skipped"]
RunStatus = Literal["RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL"]


class AssertionState(BaseModel):
    """What a service's `assert` asks for, and what came of it."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)

    configured: bool = True
    status: Literal["not_evaluated", "passed", "failed", "skipped"] = "not_evaluated"
    expected_exit_code: int | None = None
    artifacts_contain: tuple[str, ...] = ()
    max_duration_seconds: float | None = None
    duration_seconds: float | None = None
    """From the first launch to the last end; None before it is judged."""
    failures: tuple[str, ...] = ()


class ServiceState(BaseModel):
    """One service in `state.json`."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True, defer_build=True
    )

    service_name: str
    token: str = ""
    step_name: str = ""
    step_id: str | None = None
    log_path: str | None = None
    launch_index: int = 0
    launcher_pid: int = 0
    """0: no process."""
    status: ServiceStatus
    healthy: bool | None = None
    completed_successfully: bool | None = None
    readiness_configured: bool = False
    lifecycle: Literal["main", "sidecar"] = "main"
    failure_policy_mode: str = "fail_job"
    restart_count: int = 0
    max_restarts: int | None = None
    window_seconds: float | None = None
    max_restarts_in_window: int | None = None
    restart_failures_in_window: int | None = None
    restart_failure_timestamps: tuple[float, ...] = ()
    last_exit_code: int | None = None
    last_signal: int | None = None
    started_at: float | None = None
    ready_at: float | None = None
    finished_at: float | None = None
    first_failure_at: float | None = None
    first_failure_exit_code: int | None = None
    first_failure_node: str | None = None
    first_failure_rank: int | None = None
    failure_reason: str | None = None
    """Why it failed, in one sentence."""
    assertions: AssertionState | None = None
    placement_mode: str | None = None
    nodes: int | None = None
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    nodelist: str | None = None
    host: str | None = None
    ports: dict[str, int] = Field(default_factory=dict)


class StateFile(Format):
    """`state.json`."""

    max_bytes: ClassVar[int] = 8 * 1024 * 1024

    backend: str = ""
    """The engine."""
    runtime_backend: str = ""
    job_id: JobIdText
    slurm_job_id: str | None = None
    """Slurm's own number of the job, which for a task of an array is another one than `<array>_<task>`; None elsewhere."""
    job_name: str = ""
    submission_token: TokenText | None = None
    """None: the script was submitted by hand, without a claim."""
    job_status: RunStatus
    job_exit_code: int | None = None
    cause: Cause | None = None
    supervisor_pid: int = 0
    supervisor_start_ticks: int | None = None
    host: str = ""
    attempt: int | None = None
    is_resume: bool | None = None
    resume_dir: str | None = None
    early_signal_at: float | None = None
    """When the services got the early warning."""
    started_at: float | None = None
    updated_at: float | None = None
    heartbeat_at: float | None = None
    finished_at: float | None = None
    services: tuple[ServiceState, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """The supervisor wrote its last word of this attempt."""
        return self.job_status != "RUNNING"
