"""What `--format json` promises: one model per report, and the JSON Schema that is made of it.

Times are epoch seconds inside and ISO 8601 text in a report, so the schema says text for every `…_at`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from compose_core.cli.report_schemas.advice import DiffReport, GerminateReport, RightSizeReport, ScoreReport
from compose_core.cli.report_schemas.artifacts import ArrayArtifactsReport, ArtifactsReport
from compose_core.cli.report_schemas.completions import CompletionsReport
from compose_core.cli.report_schemas.images import CacheInspectReport, CacheListReport, CachePruneReport, PrepareReport
from compose_core.cli.report_schemas.init import InitReport, TemplatesReport
from compose_core.cli.report_schemas.job import (
    DebugReport,
    JobsReport,
    PsReport,
    StatusReport,
    UpReport,
    WatchReport,
)
from compose_core.cli.report_schemas.logs import LogsReport
from compose_core.cli.report_schemas.migrate import MigrateReport
from compose_core.cli.report_schemas.plan import ConfigReport, PlanReport, RenderReport, ValidateReport
from compose_core.cli.report_schemas.preflight import PreflightReport
from compose_core.cli.report_schemas.removal import CancelReport, CancelSubmissionReport, CleanReport, DownReport
from compose_core.cli.report_schemas.replay import ReplayReport
from compose_core.cli.report_schemas.report import ErrorReport
from compose_core.cli.report_schemas.stats import StatsReport
from compose_core.cli.report_schemas.submission import DryRunReport, ResumeDiffReport, SubmissionReport
from compose_core.cli.report_schemas.sweep import (
    SweepListReport,
    SweepObserveReport,
    SweepResultsReport,
    SweepStatusReport,
    SweepStopReport,
    SweepSubmissionReport,
)
from compose_core.records import monitor_rows

REPORTS: dict[str, tuple[type[BaseModel], ...]] = {
    "init": (InitReport, TemplatesReport),
    "validate": (ValidateReport,),
    "config": (ConfigReport,),
    "plan": (PlanReport,),
    "inspect": (PlanReport, RightSizeReport),
    "render": (RenderReport,),
    "preflight": (PreflightReport,),
    "prepare": (PrepareReport,),
    "cache list": (CacheListReport,),
    "cache inspect": (CacheInspectReport,),
    "cache prune": (CachePruneReport,),
    "up": (UpReport, SubmissionReport, DryRunReport, ResumeDiffReport),
    "submit": (SubmissionReport, UpReport, DryRunReport, ResumeDiffReport),
    "status": (StatusReport,),
    "ps": (PsReport,),
    "jobs": (JobsReport,),
    "watch": (WatchReport,),
    "debug": (DebugReport,),
    "logs": (LogsReport,),
    "replay": (ReplayReport,),
    "stats": (StatsReport,),
    "score": (ScoreReport,),
    "germinate": (GerminateReport,),
    "diff": (DiffReport,),
    "cancel": (CancelReport, CancelSubmissionReport, SweepStopReport),
    "sweep submit": (SweepSubmissionReport,),
    "sweep status": (SweepStatusReport,),
    "sweep list": (SweepListReport,),
    "sweep watch": (SweepStatusReport,),
    "sweep observe": (SweepObserveReport,),
    "sweep results": (SweepResultsReport,),
    "sweep resume": (SweepSubmissionReport,),
    "sweep stop": (SweepStopReport,),
    "artifacts": (ArtifactsReport, ArrayArtifactsReport),
    "down": (DownReport,),
    "clean": (CleanReport,),
    "migrate": (MigrateReport,),
    "completions": (CompletionsReport,),
    "monitor": monitor_rows.ROWS,  # one a line
}
"""What each command may print, besides an ErrorReport."""


def report_schema(command: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of everything that `hpcc <command> --format json` prints.

    Raises: KeyError: the command has no JSON report.
    """
    from pydantic.json_schema import models_json_schema

    models: tuple[type[BaseModel], ...] = (*REPORTS[command], ErrorReport)
    references, definitions = models_json_schema([(model, "validation") for model in models])
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"hpcc {command} --format json",
        "anyOf": [references[model, "validation"] for model in models],
        "$defs": definitions["$defs"],
    }
    return dict(_with_text_times(schema))


def _with_text_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_text_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_text_times(item) for key, item in value.items()}
    properties = found.get("properties")
    if isinstance(properties, dict):
        found["properties"] = {
            name: _as_time(item) if name.endswith("_at") else item for name, item in properties.items()
        }
    return found


def _as_time(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a number as that of a moment in text; what may be null stays so."""
    moment = {"type": "string", "format": "date-time"}
    options = schema.get("anyOf", [schema])
    return {"anyOf": [moment, {"type": "null"}]} if {"type": "null"} in options else moment
