"""`hpcc preflight`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.plan import Plan
    from compose_core.preflight.finding import Finding, Level

_TITLES: dict[Level, str] = {
    "error": "these keep the job from running",
    "warning": "look at these",
    "info": "good to know",
    "ok": "well",
}


@click.command(
    help="Check what the job needs of this machine and this site: programs, image cache, mounts, images, registries, "
    "secrets. "
    "Nothing is changed, but the folder of the image cache is made. Exit status 3 when something is missing; `hpcc up` "
    "does the same before it submits."
)
@options.compose_file
@options.strict_env
@click.option("--strict", is_flag=True, help="A warning fails, too.")
@click.option("--verbose", "-v", is_flag=True, help="Also what went well, and what is only good to know.")
@options.common_besides_verbose
@options.programs
def preflight(tools: Tools, file: Path, strict_env: bool, strict: bool, verbose: bool) -> int:
    """Plan → checks → groups."""
    from compose_core.preflight.checks import blockers, findings_of
    from compose_core.preflight.finding import report

    plan = tools.plan(file, strict_env=strict_env)
    tools.output.warn(plan.warnings)
    tell_secret_problems(tools, plan)
    findings = findings_of(plan, tools.site)
    failed = blockers(findings, strict=strict)
    if tools.output.is_json:
        tools.output.json({**report(findings), "compose_file": plan.compose_file, "strict": strict})
    else:
        _print(tools, findings, verbose=verbose)
    return int(ExitCode.ENVIRONMENT if failed else ExitCode.OK)


def tell_secret_problems(tools: Tools, plan: Plan) -> None:
    """What a submission would find of the secrets, where nothing is submitted.

    Raises: SpecError: the job would end before its first service.
    """
    from compose_core.submission.secret_sources import secret_problems

    tools.output.warn(secret_problems(plan, tools.site.environment, is_here=tools.site.engine_name == "local"))


def check_before_submit(tools: Tools, plan: Plan) -> None:
    """What `up` does: blockers end it, warnings are told.

    Raises: PreflightFailed: something is missing.
    """
    from compose_core.preflight.checks import PreflightFailed, blockers, findings_of

    findings = findings_of(plan, tools.site)
    failed = blockers(findings)
    if failed:
        raise PreflightFailed(failed)
    for finding in findings:
        if finding.level == "warning":
            tools.output.talk(f"preflight: {finding.message}" + (f" ({finding.remedy})" if finding.remedy else ""))


def check_cache_link(tools: Tools, plan: Plan) -> None:
    """Images that no node would see are not made: what a path does not say is where its links lead.

    Raises: PreflightFailed: the cache lies in a folder of this machine alone.
    """
    from compose_core.preflight.checks import PreflightFailed, blockers
    from compose_core.preflight.folders import cache_place

    failed = blockers(tuple(cache_place(plan, tools.site)))
    if failed and os.path.realpath(plan.cache_dir) != plan.cache_dir:
        raise PreflightFailed(failed)


def _print(tools: Tools, findings: tuple[Finding, ...], *, verbose: bool) -> None:
    shown: tuple[Level, ...] = ("error", "warning", "info", "ok") if verbose else ("error", "warning")
    for level in shown:
        group = [finding for finding in findings if finding.level == level]
        if group:
            tools.output.heading(_TITLES[level])
        for finding in group:
            tools.output.data(f"  {finding.check}: {finding.message}")
            if finding.remedy:
                tools.output.data(f"    {finding.remedy}")
    counts: dict[Level, int] = {level: sum(finding.level == level for finding in findings) for level in _TITLES}
    words: dict[Level, str] = {"error": "blocker", "warning": "warning", "info": "note"}
    found = ", ".join(counted(counts[level], word) for level, word in words.items())
    tools.output.data(f"{found}, {counted(counts['ok'], 'check')} passed")
