"""What a task says of its job in XCom: small, plain JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_hpccompose.doors import ArtifactReport, JobHandle, JobReport
from airflow_provider_hpccompose.exceptions import HpcComposeSpecError

MOST_SERVICES = 100
"""Of a job with more services the failed ones and the first are told."""


def result_of(
    handle: JobHandle,
    report: JobReport,
    *,
    artifacts: ArtifactReport | None = None,
    trial: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The handle, how the job ended, and what it left."""
    result: dict[str, Any] = {
        **handle.as_json(),
        "state": report.state,
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "reason": report.reason,
        "queued_s": _between(report, "submitted", "started"),
        "elapsed_s": _between(report, "started", "ended"),
        "nodes": report.nodes,
        "services": _services(report),
    }
    if report.tasks:
        result["tasks"] = report.tasks
    if artifacts is not None:
        result["artifacts"] = artifacts.bundles
    if trial:
        result["trial"] = dict(trial)
    return result


def handle_from(value: Any, what: str = "job") -> JobHandle:
    """The handle that another task pushed: its XCom `job`, its result, or either as the text that a template made of it.

    Raises: HpcComposeSpecError: it is none.
    """
    value = plain_from(value)
    if not isinstance(value, Mapping) or not {"job_id", "token", "project_dir"} <= set(value):
        raise HpcComposeSpecError(
            f"{what} is no job: give it the output of an HpcComposeSubmitOperator, or the XCom `job` of an HpcComposeOperator."
        )
    return JobHandle.from_json({"key": "", **value})


def plain_from(value: Any) -> Any:
    """The value that a template made text of; None where the text spells none. What is no text stays as it is."""
    if not isinstance(value, str):
        return value
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return read(value)
    return None


def _between(report: JobReport, start: str, end: str) -> float | None:
    begin, over = report.times.get(start), report.times.get(end)
    return round(max(0.0, over - begin), 3) if begin is not None and over is not None else None


def _services(report: JobReport) -> dict[str, dict[str, Any]]:
    names = sorted(report.services, key=lambda name: not report.services[name].get("exit_code"))[:MOST_SERVICES]
    kept = ("state", "exit_code", "restarts", "log")
    return {
        name: {field: service.get(field) for field in kept}
        for name, service in report.services.items()
        if name in names
    }
