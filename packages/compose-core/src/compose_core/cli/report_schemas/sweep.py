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


class SweepConfigurationReport(Part):
    """The replicates of one assignment; `n` of them have a figure."""

    config_key: str
    variables: dict[str, str]
    replicates: int
    n: int
    mean: float | None
    std: float | None


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
    groups: list[SweepConfigurationReport]
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
