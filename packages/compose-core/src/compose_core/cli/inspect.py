"""`hpcc inspect`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.output import Output
from compose_core.cli.plan import readiness_text
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError
from compose_core.images import image_decisions
from compose_core.plan.model import Plan, PlannedStep, shown
from compose_core.plan.report import environment_value, mount_text, plan_report
from compose_core.prepare.decisions import Decision as ImageDecision
from compose_core.spec.redaction import HIDDEN


@click.command(
    help="Show each service in detail: command, environment, mounts, geometry. Secret values are shown as ***."
)
@options.compose_file
@options.strict_env
@options.service
@click.option(
    "--rightsize",
    is_flag=True,
    help="Say instead what to ask for the next time, from what the newest job used; the file stays as it is.",
)
@options.job_id
@click.option("--verbose", "-v", is_flag=True, help="Also every srun option, and the reason of each default.")
@options.common_besides_verbose
def inspect(
    tools: Tools,
    file: Path,
    strict_env: bool,
    services: tuple[str, ...],
    rightsize: bool,
    job_id: str | None,
    verbose: bool,
) -> None:
    """The plan, service by service."""
    if rightsize:
        from compose_core.cli.rightsize import show_rightsize

        show_rightsize(tools, file, job_id)
        return
    if job_id is not None:
        raise UsageError("--job-id says whose usage --rightsize looks at", remedy="Add --rightsize.")
    planned = tools.plan(file, strict_env=strict_env)
    steps = _chosen(planned, services)
    decisions = image_decisions(planned, services=services)
    tools.output.warn(planned.warnings)
    if tools.output.is_json:
        report = plan_report(planned)
        names = {step.service for step in steps}
        report["services"] = [service for service in report["services"] if service["service"] in names]
        report["images"] = [decision.as_json() for decision in decisions]
        tools.output.json({**report, "engine": tools.site.engine_name})
        return
    output = replace(tools.output, hidden=planned.secret_values)
    for step in steps:
        _print(output, step, [item for item in decisions if step.service in item.services], verbose=verbose)
    output.heading("paths")
    output.data(f"  job folder  {planned.runtime_root or planned.project_dir + '/.hpc-compose'}/<job id>")
    output.data(f"  batch log   {planned.batch_log}")
    output.data(f"  cache       {planned.cache_dir}")


def _chosen(planned: Plan, services: tuple[str, ...]) -> list[PlannedStep]:
    known = [step.service for step in planned.steps]
    for name in services:
        if name not in known:
            raise UsageError(f"there is no service {name!r}", remedy=f"The file has: {', '.join(known)}.")
    return [step for step in planned.steps if not services or step.service in services]


def _print(output: Output, step: PlannedStep, images: Sequence[ImageDecision], *, verbose: bool) -> None:
    output.heading(f"{step.service} ({step.lifecycle})")
    _line(output, "image", step.image.reference if step.image else f"none ({step.backend})")
    for image in images:
        _line(output, image.action, f"{image.path}   # {image.reason}")
    _line(output, "command", shlex.join(shown(word) for word in step.command) or "the image's own")
    _line(
        output,
        "folder",
        shown(step.working_dir) if step.working_dir else "as the image says" if step.image else "the compose file's",
    )
    _line(output, "runs on", f"{step.placement.replace('_', ' ')}: {step.nodes} node(s), {step.ntasks} task(s)")
    for item in step.depends_on:
        _line(output, "after", f"{item.service} ({item.condition})")
    _line(output, "ready when", readiness_text(step))
    _line(output, "on failure", step.policy.mode)
    for mount in step.mounts:
        _line(output, "mount", mount_text(mount) + (f"   # {mount.reason}" if verbose else ""))
    for entry in step.environment:
        _line(
            output,
            "environment",
            f"{entry.name}={environment_value(entry)}" + (f"   # {entry.reason}" if verbose else ""),
        )
    for secret in step.secrets:
        _line(output, "secret", f"{secret}={HIDDEN}")
    if verbose:
        for option in step.srun_options:
            _line(output, "srun", shown(option))
        for decision in step.decisions:
            _line(output, "decided", f"{decision.key} = {decision.value}: {decision.reason}")
    output.data("")


def _line(output: Output, label: str, value: str) -> None:
    from compose_core.terminal_text import terminal_text

    output.data(f"  {label:<12}{terminal_text(value)}")
