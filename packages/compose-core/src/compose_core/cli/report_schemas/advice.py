"""Reports of the commands that compare and advise: `diff`."""

from __future__ import annotations

from typing import Any

from compose_core.cli.report_schemas.report import Part, Report
from compose_core.records.requests import Provenance


class ChangeReport(Part):
    """One path whose value is another one on the right; null where there is none."""

    path: str
    left: Any
    right: Any


class FirstFailureReport(Part):
    """The service that failed first."""

    service: str
    exit_code: int | None
    at_unix: float
    node: str | None
    rank: int | None


class ServiceOutcomeReport(Part):
    """How a service ended."""

    service_name: str
    status: str
    last_exit_code: int | None
    restart_count: int


class RunReport(Part):
    """One of two jobs."""

    job_id: str
    name: str
    submitted_at: float
    compose_file: str
    backend: str
    """The engine."""
    kind: str
    scheduler_state: str
    scheduler_failed: bool
    terminal: bool
    exit_code: int | None
    cause: str | None
    started_at: float | None
    ended_at: float | None
    duration_s: int | None
    attempt: int | None
    first_failure: FirstFailureReport | None
    services: list[ServiceOutcomeReport]
    spec_sha256: str
    provenance: Provenance | None
    """None: written by a release that did not keep it."""


class SpecSideReport(Part):
    """The compose file as it is now."""

    compose_file: str
    backend: str
    spec_sha256: str
    provenance: Provenance


class DiffReport(Report):
    """`diff`."""

    left: RunReport
    right: RunReport | SpecSideReport
    outcome_changes: list[ChangeReport]
    """Empty against the compose file."""
    resource_changes: list[ChangeReport]
    config_changes: list[ChangeReport]
    provenance_changes: list[ChangeReport]
    notes: list[str]
    """What could not be compared, and why."""
