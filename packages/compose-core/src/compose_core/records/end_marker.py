"""The end marker: why a job ends, the first thing that its teardown writes."""

from __future__ import annotations

from typing import Literal

from compose_core.records.format import Format, JobIdText, TokenText

Cause = Literal[
    "completed",
    "service_failed",
    "readiness_failed",
    "restarts_exhausted",
    "window_exhausted",
    "dependency_failed",
    "assertion_failed",
    "cancelled",
    "time_limit",
    "preempted",
    "requeued",
    "node_failed",
    "signal",
    "supervisor_error",
]


class EndMarker(Format):
    """`end.json`."""

    submission_token: TokenText | None = None
    """None: the script was submitted by hand, without a claim."""
    job_id: JobIdText
    cause: Cause
    service: str | None = None
    """The service that ended the job."""
    exit_code: int | None = None
    signal: int | None = None
    at: float
    message: str | None = None
