"""The report of `replay`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.job import RecordReport
from compose_core.cli.report_schemas.report import Part, Report

Fidelity = Literal["exact", "best-effort"]


class ReplayArtifacts(Part):
    """What was read."""

    runtime_roots: list[str]
    """The folder of each attempt."""
    state_paths: list[str]
    event_paths: list[str]
    service_exit_dirs: list[str]
    metrics_dirs: list[str]
    log_dirs: list[str]


class ReplayEvent(Part):
    """One thing that happened."""

    at_unix: float
    kind: str
    """A word of events.jsonl, or `ends` (the end marker), or `last_seen` (the last word of a run that did not finish)."""
    service: str | None
    exit_code: int | None
    signal: int | None
    attempt: int | None
    restart_count: int | None
    detail: str
    inferred: bool
    """Its time, or that it happened at all, was not written down."""


class ReplayService(Part):
    """One service at one moment."""

    service_name: str
    status: str
    started_at: float | None
    ready_at: float | None
    finished_at: float | None
    last_exit_code: int | None
    last_signal: int | None
    restart_count: int
    launcher_pid: int
    """0: no process."""
    stopping: bool
    inferred: bool


class ReplayFrame(Part):
    """Everything at one moment."""

    cursor_unix: float
    event_index: int | None
    """Of the latest event; null before the first one."""
    event: ReplayEvent | None
    job_status: str
    job_exit_code: int | None
    attempt: int | None
    why: str
    """Why the job ends, once that is known."""
    services: list[ReplayService]
    metrics_line: str
    """The latest samples at or before this moment."""
    fidelity: Fidelity
    fidelity_note: str


class ReplayReport(Report):
    """`replay`."""

    job_id: str
    record: RecordReport
    fidelity: Fidelity
    notes: list[str]
    artifacts: ReplayArtifacts
    timeline_start_unix: float
    timeline_end_unix: float
    events: list[ReplayEvent]
    frames: list[ReplayFrame]
    """One for each event, or evenly chosen ones."""
