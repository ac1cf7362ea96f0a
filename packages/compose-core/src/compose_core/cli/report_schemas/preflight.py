"""The report of `preflight`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.report import Part, Report


class FindingReport(Part):
    """One check."""

    check: str
    level: Literal["error", "warning", "info", "ok"]
    message: str
    remediation: str


class PreflightSummaryReport(Part):
    """How many checks ended how."""

    blockers: int
    actionable_warnings: int
    contextual_warnings: int
    passed_checks: int


class PreflightReport(Report):
    """`preflight`."""

    compose_file: str
    strict: bool
    summary: PreflightSummaryReport
    blockers: list[FindingReport]
    actionable_warnings: list[FindingReport]
    contextual_warnings: list[FindingReport]
    passed_checks: list[FindingReport]
