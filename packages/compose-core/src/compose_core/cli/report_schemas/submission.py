"""Reports of `up` and `submit` before and right after the submission."""

from __future__ import annotations

from typing import Any, Literal

from compose_core.cli.report_schemas.report import Part, Report


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


class ResumeChangeReport(Part):
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
