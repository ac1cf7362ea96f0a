"""`hpcc diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.terminal_text import terminal_text
from compose_core.units import format_bytes, format_slurm_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compose_core.cli.output import Output
    from compose_core.insight.config_changes import Change
    from compose_core.insight.run_diff import RunDiff

_SHOWN_CHANGES = 20
_SHOWN_CHARACTERS = 100


@click.command(
    help="Show what differs between two jobs: how they ended, what they asked for, what their compose files meant.\n\n"
    "Lines with `-` are of the first job, lines with `+` of the second. With --against-spec the compose file as it is "
    "now takes the second place. JSON has every change, text at most the first few of each kind."
)
@click.argument("left", metavar="JOB", shell_complete=live_values.job_ids)
@click.argument("right", metavar="[OTHER]", required=False, shell_complete=live_values.job_ids)
@options.compose_file
@options.strict_env
@click.option("--against-spec", is_flag=True, help="Compare the job with the compose file as it is now.")
@click.option(
    "--fail-on-change", is_flag=True, help="Exit with 1 when requests or configuration differ; outcomes do not count."
)
@options.common
def diff(
    tools: Tools,
    left: str,
    right: str | None,
    file: Path,
    strict_env: bool,
    against_spec: bool,
    fail_on_change: bool,
) -> int:
    """One comparison."""
    if against_spec == (right is not None):
        raise UsageError("diff compares two jobs, or one with --against-spec", remedy="Give OTHER or --against-spec.")
    found = (
        _against_spec(tools, left, file, strict_env=strict_env) if right is None else _runs(tools, file, left, right)
    )
    if tools.output.is_json:
        tools.output.json(found.as_json())
    else:
        _print(tools.output, found)
    return int(ExitCode.FAILED if fail_on_change and found.asks_for_something_else else ExitCode.OK)


def _runs(tools: Tools, file: Path, left: str, right: str) -> RunDiff:
    from compose_core.insight.run_diff import diff_runs
    from compose_core.operations import observe

    records = [tools.find_job(file, job_id) for job_id in (left, right)]
    first, second = observe(tools.site, records)
    return diff_runs(first, second)


def _against_spec(tools: Tools, job_id: str, file: Path, *, strict_env: bool) -> RunDiff:
    from compose_core.insight.run_diff import diff_against_spec
    from compose_core.operations import facts_of, observe

    plan = tools.plan(file, strict_env=strict_env)
    tools.output.warn(plan.warnings)
    snapshot = observe(tools.site, [tools.find_job(file, job_id)])[0]
    return diff_against_spec(snapshot, facts_of(tools.site, plan))


def _print(output: Output, found: RunDiff) -> None:
    left, right = _name(found.left), _name(found.right)
    output.heading(f"{left} -> {right}")
    sections = (
        ("outcome", found.outcome_changes),
        ("resources", found.resource_changes),
        ("config", found.config_changes),
        ("provenance", found.provenance_changes),
    )
    for title, changes in sections:
        _print_changes(output, title, changes)
    if not any(changes for _, changes in sections):
        output.data("no difference found")
    for note in found.notes:
        output.talk(f"note: {note}")


def _print_changes(output: Output, title: str, changes: Sequence[Change]) -> None:
    if not changes:
        return
    output.data("")
    output.heading(title)
    for change in changes[:_SHOWN_CHANGES]:
        output.data(f"  {terminal_text(change.path)}")
        for sign, value, colour in (("-", change.left, "red"), ("+", change.right, "green")):
            if value is not None:
                output.data(click.style(f"    {sign} {_value(change.path, value)}", fg=colour))
    if len(changes) > _SHOWN_CHANGES:
        output.data(f"  … and {len(changes) - _SHOWN_CHANGES} more; --format json shows them all")


def _name(side: dict[str, Any]) -> str:
    if "job_id" not in side:
        return str(side["compose_file"])
    return f"job {side['job_id']} ({side['scheduler_state']})"


def _value(path: str, value: Any) -> str:
    key = path.rpartition(".")[2]
    if isinstance(value, int) and key.startswith("mem_bytes"):
        return format_bytes(value)
    if isinstance(value, int) and key == "time_s":
        return format_slurm_time(value)
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return terminal_text(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
