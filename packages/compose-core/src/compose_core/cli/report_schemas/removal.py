"""Reports of the commands that end jobs or remove their files: `cancel`, `down`, `clean`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.job import JobReport, ResolutionReport
from compose_core.cli.report_schemas.report import Part, Report


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


class RemovedReport(Part):
    """One job whose files are gone, or would go."""

    submission_token: str
    job_id: str | None
    """Null: a submission that ended without a job."""
    paths: list[str]
    bytes_freed: int
    left: list[str]
    """What stays because it is not ours, and why."""


class KeptReport(Part):
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
