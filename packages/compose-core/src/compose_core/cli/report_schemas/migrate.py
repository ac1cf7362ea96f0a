"""The report of `migrate`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.report import Part, ProblemReport, Report


class NoteReport(Part):
    """What became of one key."""

    kind: Literal["converted", "changed", "manual"]
    file: str
    line: int
    key_path: str
    message: str


class MigrateReport(Report):
    """`migrate`."""

    source: str
    output: str | None
    valid: bool
    problems: list[ProblemReport]
    notes: list[NoteReport]
    folders: list[str]
    yaml: str
