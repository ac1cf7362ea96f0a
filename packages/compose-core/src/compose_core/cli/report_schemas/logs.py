"""The report of `logs`."""

from __future__ import annotations

from compose_core.cli.report_schemas.report import Part, Report


class LogLineReport(Part):
    """One line."""

    service: str
    text: str
    cut: bool
    """The line goes on."""
    note: bool
    """Ours, not the program's."""


class LogsReport(Report):
    """`logs`."""

    job_id: str
    lines: list[LogLineReport]
