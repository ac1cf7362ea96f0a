"""The report of `logs`."""

from __future__ import annotations

from compose_core.cli.report_schemas.report import Part, Report


class LogLineReport(Part):
    """One line."""

    service: str
    text: str
    cut: bool
    """The line goes on."""


class LogsReport(Report):
    """`logs`."""

    job_id: str
    lines: list[LogLineReport]
