"""`hpcc plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.output import Output
from compose_core.cli.prepare import decision_rows
from compose_core.cli.tools import Tools
from compose_core.images import image_decisions
from compose_core.plan.model import Plan, PlannedStep
from compose_core.plan.report import all_decisions, directive_text, plan_report
from compose_core.prepare.decisions import Decision as ImageDecision
from compose_core.units import counted


@click.command(help="Show what would be submitted, and why each default is what it is; nothing is written.")
@options.compose_file
@options.strict_env
@options.common
def plan(tools: Tools, file: Path, strict_env: bool) -> None:
    """The plan of the file at this site."""
    planned = tools.plan(file, strict_env=strict_env)
    tools.output.warn(planned.warnings)
    decisions = image_decisions(planned)
    if tools.output.is_json:
        images = [decision.as_json() for decision in decisions]
        tools.output.json({**plan_report(planned), "images": images, "engine": tools.site.engine_name})
    else:
        output = replace(tools.output, hidden=planned.secret_values)
        _print(output, planned, decisions, engine=tools.site.engine_name)


def _print(output: Output, planned: Plan, images: Sequence[ImageDecision], *, engine: str) -> None:
    output.heading(f"job {planned.name}, on the {engine} engine")
    for directive in planned.directives:
        output.data(f"  #SBATCH {directive_text(directive)}")
    output.data("")
    output.heading("services, in launch order")
    output.table(
        ["  SERVICE", "LIFECYCLE", "RUNS IN", "TASKS", "AFTER", "READY WHEN", "ON FAILURE"],
        [_row(step) for step in planned.steps],
    )
    output.data("")
    if images:
        output.heading("images")
        output.table(["  IMAGE", "ACTION", "FILE", "BECAUSE"], decision_rows(images))
        output.data("")
    output.heading("decisions")
    output.table(
        ["  KEY", "VALUE", "BECAUSE"], [[f"  {item.key}", item.value, item.reason] for item in all_decisions(planned)]
    )


def _row(step: PlannedStep) -> list[str]:
    where = step.image.reference if step.image else "host"
    tasks = f"{step.ntasks} on {counted(step.nodes, 'node')}"
    after = ", ".join(f"{item.service} ({item.condition.removeprefix('service_')})" for item in step.depends_on)
    return [f"  {step.service}", step.lifecycle, where, tasks, after or "-", readiness_text(step), step.policy.mode]


def readiness_text(step: PlannedStep) -> str:
    """The readiness gate in a few words."""
    readiness = step.readiness
    if readiness is None:
        return "-"
    match readiness.kind:
        case "sleep":
            return f"{readiness.seconds} s have passed"
        case "tcp":
            return f"{readiness.host}:{readiness.port} accepts"
        case "log":
            return f"its log says {readiness.pattern!r}"
        case "http":
            return f"{readiness.url} answers {readiness.status_code}"
