"""Reports of `sweep`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.report import Part, Report
from compose_core.records.sweep_manifest import SweepManifest

TrialStatusName = Literal["completed", "failed", "running", "pending", "unknown", "missing_tracking", "submit_failed"]


class SweepSubmissionReport(Report):
    """`sweep submit` and `sweep resume`."""

    dry_run: bool
    resumed: bool
    submitted: int
    """Trials that got a job now."""
    resubmitted: int
    """Those of them that had one before."""
    skipped_already_submitted: int
    refused: dict[str, str]
    """Trials that have no job, and why."""
    open: list[str]
    """Trials of which it is not known yet whether the scheduler has them."""
    trouble: str | None
    manifest_path: str
    manifest: SweepManifest


class SweepSummaryReport(Part):
    """How many trials there are of each status."""

    completed: int
    failed: int
    running: int
    pending: int
    unknown: int
    missing_tracking: int
    submit_failed: int


class StandingReport(Part):
    """One configuration; ranked when one of its trials ended well and has a figure."""

    rank: int | None
    config_key: str
    variables: dict[str, str]
    replicates: int
    n: int
    mean: float | None
    std: float | None
    best_trial: str | None
    trials: list[str]


class SweepTrialReport(Part):
    """How one trial is."""

    trial_id: str
    index: int
    variables: dict[str, str]
    config_key: str
    replicate: int
    job_id: str | None
    status: TrialStatusName
    scheduler_state: str | None
    exit_code: int | None
    record_path: str | None
    submit_error: str | None
    attempts: int
    """Jobs that it has had, the latest included."""
    detail: str


class SweepStatusReport(Report):
    """`sweep status`, and `sweep watch` when the sweep is over."""

    sweep_id: str
    compose_file: str
    submitted_at: float
    engine: Literal["slurm", "local"]
    stopped_at: float | None
    stop_reason: str | None
    best_trial: str | None
    summary: SweepSummaryReport
    groups: list[StandingReport]
    trials: list[SweepTrialReport]


class SweepStopReport(SweepStatusReport):
    """`sweep stop`, and `cancel --sweep`."""

    cancelled_jobs: list[str]
    """Arrays that were asked to end."""
    confirmed: bool
    troubles: list[str]


class ListedSweepReport(Part):
    """One sweep of a folder."""

    sweep_id: str
    compose_file: str
    submitted_at: float
    engine: Literal["slurm", "local"]
    trials: int
    submitted: int
    array_job_ids: list[str]
    best_trial: str | None
    stopped_at: float | None


class SweepListReport(Report):
    """`sweep list`."""

    project_dir: str
    sweeps: list[ListedSweepReport]


class ObjectiveReport(Part):
    """Which figure counts."""

    direction: Literal["minimize", "maximize"]
    log_pattern: str | None
    group: int
    service: str | None
    json_path: str | None
    json_field: str | None
    metric: str | None
    take: Literal["last", "best"]
    scaling_axis: str | None


class ScalingPointReport(Part):
    """One value of the scaling axis."""

    axis: float
    n: int
    mean: float
    std: float | None
    speedup: float | None
    efficiency: float | None


class ScalingSeriesReport(Part):
    """How the figure goes with the axis while all other parameters stay."""

    others: dict[str, str]
    points: list[ScalingPointReport]


class ResultReport(Part):
    """One trial and what came of it."""

    trial_id: str
    index: int
    variables: dict[str, str]
    config_key: str
    replicate: int
    job_id: str | None
    status: TrialStatusName
    scheduler_state: str | None
    objective: float | None
    objective_error: str | None
    submitted_at: float | None
    started_at: float | None
    ended_at: float | None
    elapsed_s: float | None
    exit_code: int | None
    detail: str


class SweepResultsReport(Report):
    """`sweep results`."""

    sweep_id: str
    compose_file: str
    submitted_at: float
    objective: ObjectiveReport | None
    summary: SweepSummaryReport
    best_trial: str | None
    best_objective: float | None
    stopped_at: float | None
    stop_reason: str | None
    groups: list[StandingReport]
    scaling: list[ScalingSeriesReport]
    trials: list[ResultReport]


class PrunedReport(Part):
    """A trial that was ended early; `value` is null where it has no finite figure."""

    trial_id: str
    step: float
    value: float | None
    threshold: float
    compared_with: int
    method: Literal["median", "asha"]


class SweepObserveReport(SweepResultsReport):
    """`sweep observe`."""

    pruned: list[PrunedReport]
    """By this command."""
    stopped_because: str | None
    """How the condition of --stop-when was met."""
