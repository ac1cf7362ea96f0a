"""Reports of the commands that compare and advise: `diff`, `inspect --rightsize`, `score`, `germinate`."""

from __future__ import annotations

from typing import Any, Literal

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


class SuggestionReport(Part):
    """A request that should be another one."""

    resource: Literal["memory", "cpus", "gpus", "time"]
    service: str | None
    """None: the job's request."""
    key: str
    """Where it stands in the compose file."""
    unit: Literal["bytes", "seconds", "count"]
    requested: float
    observed: float | None
    """None: not measured."""
    suggested: float
    value: str | int | None
    """As it would be written; null: the key goes."""
    direction: Literal["more", "less"]
    confidence: Literal["high", "medium", "low"]
    evidence: str


class UntouchedReport(Part):
    """A resource about which nothing is suggested."""

    resource: Literal["memory", "cpus", "gpus", "time"]
    service: str | None
    verdict: Literal["fits", "unknown"]
    """`unknown`: there is not enough evidence."""
    reason: str


class RightSizeReport(Report):
    """`inspect --rightsize`, and a part of `germinate`."""

    job_id: str
    state: str
    out_of_memory: bool
    """Something of the job ran out of memory."""
    suggestions: list[SuggestionReport]
    untouched: list[UntouchedReport]
    yaml_patch: str
    """The suggestions as a piece of a compose file; empty when there are none."""
    notes: list[str]


class ComponentReport(Part):
    """One part of a score."""

    name: Literal["gpu", "memory", "time", "cpu", "energy"]
    label: str
    available: bool
    weight: float
    """Its share of the score; 0 when it does not count."""
    score: float | None
    utilization: float | None
    observed: str
    requested: str
    source: str
    confidence: Literal["high", "medium", "low", "none"]
    note: str


class ScoreReport(Report):
    """`score`."""

    job_id: str
    scheduler_state: str
    scheduler_source: str
    complete: bool
    """The job has ended and every component is known."""
    score: float | None
    """0 to 100; null when nothing is known."""
    grade: Literal["A", "B", "C", "D", "F"] | None
    components: list[ComponentReport]
    energy_kwh: float | None
    energy_basis: Literal[
        "node_energy+pue", "sampler_power_draw+pue", "power_limit+pue", "configured_tdp+pue", "unavailable"
    ]
    confidence: Literal["high", "medium", "low", "none"]
    confidence_notes: list[str]
    telemetry_coverage: dict[str, Any]
    """For each collector of the sampler, which nodes it saw, and of GPUs for what part of the run."""
    tips: list[str]
    sources: list[str]
    notes: list[str]


class GerminateReport(Report):
    """`germinate`."""

    compose_file: str
    cache_dir: str
    dry_run: bool
    script_path: str | None
    job_id: str | None
    tracked_metadata_path: str | None
    """`latest-canary.json`; null after a dry run, which submits nothing."""
    yaml_patch: str
    report: RightSizeReport | None
