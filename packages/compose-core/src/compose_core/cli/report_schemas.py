"""What `--format json` promises: one model per report, and the JSON Schema that is made of it.

Times are epoch seconds inside and ISO 8601 text in a report, so the schema says text for every `…_at`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.records.job_record import JobRecord
from compose_core.records.manifest import Manifest
from compose_core.records.state import ServiceState


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Report(_Part):
    """One JSON object on stdout."""

    schema_version: Literal[1]


class ProblemReport(_Part):
    """A finding about a compose file or the environment."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    file: str | None
    line: int | None
    column: int | None
    key_path: str


class ErrorBody(_Part):
    """Why a command failed."""

    code: str
    exit_code: int
    message: str
    details: str
    problems: list[ProblemReport]


class ErrorReport(Report):
    """What every command prints instead of its report when it fails."""

    error: ErrorBody


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


class AllocationReport(_Part):
    """What the job asks for."""

    nodes: int
    ntasks: int | None
    ntasks_per_node: int | None
    cpus_per_task: int | None
    memory_mib: int | None
    gpus: str | None
    time_limit_s: int | None


class PlannedImageReport(_Part):
    """Where a container comes from."""

    reference: str
    kind: Literal["remote", "local"]
    starts_from: str
    cache_path: str | None


class PolicyReport(_Part):
    """What a failure does."""

    mode: Literal["fail_job", "ignore", "restart_on_failure"]
    max_restarts: int
    backoff_seconds: int
    window_seconds: int
    max_restarts_in_window: int


class PlannedAssertionsReport(_Part):
    """What has to hold of a service when all services have ended."""

    exit_code: int | None
    artifacts_contain: list[str]
    max_duration_seconds: int | None


class HookReport(_Part):
    """A script that runs when something happens to a service."""

    on: Literal["restart", "window_exhausted", "gave_up", "ready", "exit"]
    script: str


class ScriptReport(_Part):
    """A prologue or epilogue."""

    context: Literal["host", "container"]
    script: str


class PlannedServiceReport(_Part):
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


class PlannedArtifactsReport(_Part):
    """What teardown keeps."""

    collect: Literal["always", "on_success", "on_failure"]
    export_dir: str
    bundles: dict[str, list[str]]


class SecretSourceReport(_Part):
    """Where the node finds a secret: one of both."""

    file: str | None
    env: str | None


class PathsReport(_Part):
    """Where things will lie."""

    cache_dir: str
    runtime_root: str
    batch_log: str
    resume_dir: str | None


class DecisionReport(_Part):
    """One default and its reason."""

    key: str
    value: str
    reason: str


class ImageDecisionReport(_Part):
    """One image file, what becomes of it, and why."""

    action: Literal["import", "build", "reuse", "missing"]
    kind: Literal["base", "prepared", "local"]
    path: str
    image: str
    services: list[str]
    reason: str
    key: str | None


class MadeImageReport(ImageDecisionReport):
    """One image file, and what was done."""

    how: Literal["imported", "built", "reused", "waited", "local"] | None
    """None: nothing was done yet."""
    size_bytes: int | None = None
    took_s: float = 0.0


class PrepareReport(Report):
    """`prepare`."""

    compose_file: str
    cache_dir: str
    dry_run: bool
    images: list[MadeImageReport]


class PlannedLogsReport(_Part):
    """`logs` in `plan`: rotation."""

    max_bytes: int
    keep: int


class PlannedMetricsReport(_Part):
    """`metrics` in `plan`."""

    interval_seconds: int
    collectors: list[Literal["gpu", "slurm", "cpu"]]


class PlannedSignalReport(_Part):
    """The early warning before the job's end."""

    name: str
    at_seconds: int


class FindingReport(_Part):
    """One check."""

    check: str
    level: Literal["error", "warning", "info", "ok"]
    message: str
    remediation: str


class PreflightSummaryReport(_Part):
    """How many checks ended how."""

    blockers: int
    actionable_warnings: int
    contextual_warnings: int
    passed_checks: int


class PreflightReport(Report):
    """`preflight`."""

    compose_file: str
    strict: bool
    summary: PreflightSummaryReport
    blockers: list[FindingReport]
    actionable_warnings: list[FindingReport]
    contextual_warnings: list[FindingReport]
    passed_checks: list[FindingReport]


class CacheEntryReport(_Part):
    """One cached image."""

    path: str
    kind: Literal["base", "prepared"]
    state: Literal["complete", "absent", "unusable"]
    why: str
    key: str | None
    source_image: str | None
    services: list[str]
    tool: Literal["enroot", "apptainer"] | None
    sha256: str | None
    prepare_commands: list[str]
    size_bytes: int
    created_at: float | None
    last_used_at: float | None
    jobs: list[str]


class CacheListReport(Report):
    """`cache list`."""

    cache_dir: str
    entries: list[CacheEntryReport]


class InspectedImageReport(ImageDecisionReport):
    """One image file of a plan, and what the cache holds of it."""

    entry: CacheEntryReport | None


class CacheInspectReport(Report):
    """`cache inspect`."""

    cache_dir: str
    images: list[InspectedImageReport]


class PrunedEntryReport(CacheEntryReport):
    """One cached image, and what became of it."""

    outcome: Literal["removed", "used by a job", "needed by the file", "used lately", "being made"]


class CachePruneReport(Report):
    """`cache prune`."""

    cache_dir: str
    dry_run: bool
    entries: list[PrunedEntryReport]
    bytes_freed: int


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


class DryRunReport(Report):
    """`up` and `submit` with --dry-run."""

    submitted: Literal[False]
    dry_run: Literal[True]
    attached: Literal[False]
    job_id: None
    engine: Literal["slurm", "local"]
    backend: Literal["pyxis", "enroot", "apptainer", "host"]
    name: str
    compose_file: str
    script_path: str | None


class ResumeChangeReport(_Part):
    """One key that changed."""

    key: str
    kind: Literal["added", "removed", "changed", "hidden"]
    """`hidden`: one of those whose secret values may have changed."""
    before: Any
    after: Any


class ResumeDiffReport(Report):
    """`up` and `submit` with --resume-diff-only."""

    submitted: Literal[False]
    resume_dir: str
    earlier_job_id: str | None
    """The latest run in the resume folder."""
    earlier_attempt: int | None
    changed: bool
    changes: list[ResumeChangeReport]


class SubmissionReport(Report):
    """`submit`, and `up --detach`."""

    submitted: Literal[True]
    dry_run: Literal[False]
    attached: bool
    """The run key stood for this job already."""
    job_id: str
    cluster: str | None
    submission_token: str
    engine: Literal["slurm", "local"]
    backend: Literal["pyxis", "enroot", "apptainer", "host"]
    name: str
    compose_file: str
    script_path: str
    job_dir: str
    batch_log: str
    cache_dir: str
    service_logs: dict[str, str]
    next_commands: list[str]


class ServiceReport(ServiceState):
    """One service of a job; what its supervisor has not written is absent."""

    model_config = ConfigDict(extra="forbid")

    status: str  # type: ignore[assignment]  # a word of state.json, or `unknown`
    alive: bool


class TaskReport(_Part):
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


class ArrayReport(_Part):
    """The tasks of an array."""

    spec: str
    task_count: int
    counts: dict[str, int]
    """How many tasks are in which state."""
    failed_tasks: list[int]
    tasks: list[TaskReport]


class JobFields(_Part):
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


class JobsReport(Report):
    """`jobs`."""

    project_dir: str
    jobs: list[JobReport]
    open_submissions: list[ResolutionReport]
    warnings: list[str]


class LogLineReport(_Part):
    """One line."""

    service: str
    text: str
    cut: bool
    """The line goes on."""


class LogsReport(Report):
    """`logs`."""

    job_id: str
    lines: list[LogLineReport]


class CancelReport(Report):
    """`cancel`."""

    job_id: str
    requested: bool
    confirmed: bool
    state: str
    message: str
    job: JobReport


class CancelSubmissionReport(ResolutionReport):
    """`cancel --submission`."""

    requested: Literal[True]
    confirmed: bool


class ExportedFileReport(_Part):
    """One entry of an export."""

    relative_path: str
    entry_type: str
    size_bytes: int | None
    sha256: str | None
    link_target: str | None


class BundleReport(_Part):
    """One exported bundle."""

    name: str
    export_dir: str
    provenance_path: str
    tarball_path: str | None
    exported_paths: list[str]
    files: list[ExportedFileReport]
    skipped: list[str]
    """What was collected and not exported, and why."""
    warnings: list[str]


class ManifestReport(Manifest):
    """What the job collected."""

    model_config = ConfigDict(extra="forbid")


class ArtifactsReport(Report):
    """`artifacts`."""

    record: RecordReport
    manifest_path: str
    payload_dir: str
    export_dir: str
    manifest: ManifestReport
    complete: bool
    selected_bundles: list[str]
    bundles: list[BundleReport]
    exported_paths: list[str]
    tarball_paths: list[str]
    warnings: list[str]


class ArrayArtifactsReport(Report):
    """`artifacts` of an array."""

    record: RecordReport
    tasks: list[ArtifactsReport]
    tasks_without_artifacts: list[str]
    exported_paths: list[str]


class RemovedReport(_Part):
    """One job whose files are gone, or would go."""

    submission_token: str
    job_id: str | None
    """Null: a submission that ended without a job."""
    paths: list[str]
    bytes_freed: int
    left: list[str]
    """What stays because it is not ours, and why."""


class KeptReport(_Part):
    """One job that stays."""

    job_id: str
    submission_token: str
    state: str
    why: Literal["not over", "not known", "in the queue", "wanted", "failed"]
    message: str


class DownReport(Report):
    """`down`."""

    job_id: str | None
    requested: bool
    confirmed: bool
    state: str | None
    """Null: an earlier `down` that died was finished."""
    message: str
    removed: RemovedReport | None
    """Null: the job has not ended yet, so its files stay."""


class CleanReport(Report):
    """`clean`."""

    dry_run: bool
    removed: list[RemovedReport]
    finished: list[RemovedReport]
    """Removals of earlier commands that had died on the way."""
    kept: list[KeptReport]
    bytes_freed: int
    warnings: list[str]


REPORTS: dict[str, tuple[type[Report], ...]] = {
    "validate": (ValidateReport,),
    "config": (ConfigReport,),
    "plan": (PlanReport,),
    "inspect": (PlanReport,),
    "render": (RenderReport,),
    "preflight": (PreflightReport,),
    "prepare": (PrepareReport,),
    "cache list": (CacheListReport,),
    "cache inspect": (CacheInspectReport,),
    "cache prune": (CachePruneReport,),
    "up": (UpReport, SubmissionReport, DryRunReport, ResumeDiffReport),
    "submit": (SubmissionReport, UpReport, DryRunReport, ResumeDiffReport),
    "status": (StatusReport,),
    "ps": (PsReport,),
    "jobs": (JobsReport,),
    "logs": (LogsReport,),
    "cancel": (CancelReport, CancelSubmissionReport),
    "artifacts": (ArtifactsReport, ArrayArtifactsReport),
    "down": (DownReport,),
    "clean": (CleanReport,),
}
"""What each command may print, besides an ErrorReport."""


def report_schema(command: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of everything that `hpcc <command> --format json` prints.

    Raises: KeyError: the command has no JSON report.
    """
    from pydantic.json_schema import models_json_schema

    models: tuple[type[BaseModel], ...] = (*REPORTS[command], ErrorReport)
    references, definitions = models_json_schema([(model, "validation") for model in models])
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"hpcc {command} --format json",
        "anyOf": [references[model, "validation"] for model in models],
        "$defs": definitions["$defs"],
    }
    return dict(_with_text_times(schema))


def _with_text_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_text_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_text_times(item) for key, item in value.items()}
    properties = found.get("properties")
    if isinstance(properties, dict):
        found["properties"] = {
            name: _as_time(item) if name.endswith("_at") else item for name, item in properties.items()
        }
    return found


def _as_time(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a number as that of a moment in text; what may be null stays so."""
    moment = {"type": "string", "format": "date-time"}
    options = schema.get("anyOf", [schema])
    return {"anyOf": [moment, {"type": "null"}]} if {"type": "null"} in options else moment
