"""What is being removed, on disk before anything is, so that a removal that dies can be finished."""

from __future__ import annotations

from compose_core.records.format import Format, JobIdText, TokenText


class Removal(Format):
    """`removals/<token>.json`."""

    token: TokenText
    job_id: JobIdText | None = None
    """None: a submission that ended without a job."""
    job_dir: str | None = None
    """Where the job's folder lies."""
    batch_logs: tuple[str, ...] = ()
    """One per task of an array."""
    run_key: str | None = None
    holds_id: bool = True
    """False: a later job has this one's id."""
    at: float
    """When it began."""
