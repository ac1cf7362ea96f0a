"""The reports of `init`."""

from __future__ import annotations

from pydantic import Field

from compose_core.cli.report_schemas.report import Part, Report


class TemplateReport(Part):
    """One example; with --describe also what it consists of."""

    name: str
    title: str
    description: str
    files: list[str] = Field(default_factory=list)
    yaml: str = ""


class TemplatesReport(Report):
    """`init --list` and `init --describe`."""

    templates: list[TemplateReport]


class InitReport(Report):
    """`init`."""

    template: str
    output: str
    files: list[str]
