"""The report of `completions`."""

from __future__ import annotations

from compose_core.cli.report_schemas.report import Report


class CompletionsReport(Report):
    """`completions`."""

    shell: str
    script: str
