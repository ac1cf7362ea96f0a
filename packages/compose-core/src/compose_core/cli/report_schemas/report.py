"""What every report has, and what a command prints when it fails."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Report(Part):
    """One JSON object on stdout."""

    schema_version: Literal[1]


class ProblemReport(Part):
    """A finding about a compose file or the environment."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    file: str | None
    line: int | None
    column: int | None
    key_path: str


class ErrorBody(Part):
    """Why a command failed."""

    code: str
    exit_code: int
    message: str
    details: str
    problems: list[ProblemReport]


class ErrorReport(Report):
    """What every command prints instead of its report when it fails."""

    error: ErrorBody
