"""Reports of the commands that look at a file: `validate`, `config`, `plan`, `inspect`, `render`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from compose_core.cli.report_schemas.images import ImageDecisionReport
from compose_core.cli.report_schemas.report import Part, ProblemReport, Report


class ValidateReport(Report):
    """`validate`."""

    valid: Literal[True]
    compose_file: str
    spec_sha256: str
    services: list[str]
    problems: list[ProblemReport]


class ConfigReport(Report):
    """`config`."""

    compose_file: str
    spec_sha256: str
    config: dict[str, Any]
    """A compose file in canonical shape; `hpcc schema` describes it."""
    variables: dict[str, Literal["sweep", "sweep-example", "environment", ".env", "default"]]


class AllocationReport(Part):
    """What the job asks for."""

    nodes: int
    ntasks: int | None
    ntasks_per_node: int | None
    cpus_per_task: int | None
    memory_mib: int | None
    gpus: str | None
    time_limit_s: int | None


class PlannedImageReport(Part):
    """Where a container comes from."""

    reference: str
    kind: Literal["remote", "local"]
    starts_from: str
    cache_path: str | None


class PolicyReport(Part):
    """What a failure does."""

    mode: Literal["fail_job", "ignore", "restart_on_failure"]
    max_restarts: int
    backoff_seconds: int
    window_seconds: int
    max_restarts_in_window: int


class PlannedAssertionsReport(Part):
    """What has to hold of a service when all services have ended."""

    exit_code: int | None
    artifacts_contain: list[str]
    max_duration_seconds: int | None


class HookReport(Part):
    """A script that runs when something happens to a service."""

    on: Literal["restart", "window_exhausted", "gave_up", "ready", "exit"]
    script: str


class ScriptReport(Part):
    """A prologue or epilogue."""

    context: Literal["host", "container"]
    script: str


class PlannedServiceReport(Part):
    """One service of a plan."""

    service: str
    token: str
    step_name: str
    backend: Literal["pyxis", "enroot", "apptainer", "host"]
    lifecycle: Literal["main", "sidecar"]
    launch: Literal["srun", "batch"]
    placement: Literal["primary_node", "distributed"]
    nodes: int
    ntasks: int
    ntasks_per_node: int | None
    image: PlannedImageReport | None
    command: list[str]
    working_dir: str | None
    srun_options: list[str]
    environment: dict[str, str]
    secrets: list[str]
    mounts: list[str]
    depends_on: dict[str, Literal["service_started", "service_healthy", "service_completed_successfully"]]
    readiness: dict[str, Any] | None
    failure_policy: PolicyReport
    ports: list[str]
    time_limit_s: int | None
    mpi: str | None
    asserts: PlannedAssertionsReport | None = Field(alias="assert")
    hooks: list[HookReport]
    prologue: ScriptReport | None
    epilogue: ScriptReport | None


class PlannedArtifactsReport(Part):
    """What teardown keeps."""

    collect: Literal["always", "on_success", "on_failure"]
    export_dir: str
    bundles: dict[str, list[str]]


class SecretSourceReport(Part):
    """Where the node finds a secret: one of both."""

    file: str | None
    env: str | None


class PathsReport(Part):
    """Where things will lie."""

    cache_dir: str
    runtime_root: str
    batch_log: str
    resume_dir: str | None


class DecisionReport(Part):
    """One default and its reason."""

    key: str
    value: str
    reason: str


class PlannedLogsReport(Part):
    """`logs` in `plan`: rotation."""

    max_bytes: int
    keep: int


class PlannedMetricsReport(Part):
    """`metrics` in `plan`."""

    interval_seconds: int
    collectors: list[Literal["gpu", "slurm", "cpu"]]


class PlannedSignalReport(Part):
    """The early warning before the job's end."""

    name: str
    at_seconds: int


class PlanReport(Report):
    """`plan` and `inspect`."""

    valid: Literal[True]
    engine: Literal["slurm", "local"]
    name: str
    compose_file: str
    project_dir: str
    spec_sha256: str
    backend: Literal["pyxis", "enroot", "apptainer", "host"]
    service_order: list[str]
    allocation: AllocationReport
    directives: list[str]
    setup: list[str]
    modules: list[str]
    secrets: dict[str, SecretSourceReport]
    services: list[PlannedServiceReport]
    images: list[ImageDecisionReport]
    early_signal: PlannedSignalReport | None
    artifacts: PlannedArtifactsReport | None
    logs: PlannedLogsReport | None
    metrics: PlannedMetricsReport | None
    paths: PathsReport
    decisions: list[DecisionReport]
    warnings: list[ProblemReport]


class RenderReport(Report):
    """`render`."""

    script: str
    script_path: str | None
