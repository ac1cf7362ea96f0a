"""`hpcc sweep stop`, and what `hpcc cancel --sweep` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.sweep_status import summary_text
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from compose_core.records.sweep_manifest import SweepManifest


@click.command(
    help="End a sweep: what runs or waits is cancelled with one request for each array; logs and records stay. "
    "`hpcc sweep resume --failed` goes on with it.\n\nThe exit status is 0 once all trials have ended, 1 when some have not "
    "by the end of --wait."
)
@options.compose_file
@sweep_options.sweep_id
@click.option("--reason", metavar="TEXT", help="Kept in the manifest.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to wait for the end.",
)
@options.common
def stop(tools: Tools, file: Path, sweep_id: str | None, reason: str | None, yes: bool, wait_s: float) -> int:
    """Ask, request, confirmation."""
    manifest = sweep_options.find_sweep(tools, file, sweep_id)
    if not yes:
        _ask(manifest)
    return stop_and_report(tools, manifest, reason=reason, wait_s=wait_s)


def stop_and_report(tools: Tools, manifest: SweepManifest, *, reason: str | None, wait_s: float) -> int:
    """End the sweep, and say what became of it."""
    from compose_core.sweep.stop import stop_sweep

    tools.output.talk(f"ending sweep {manifest.sweep_id}")
    result = stop_sweep(tools.site, manifest, reason=reason, wait_s=wait_s)
    for trouble in result.troubles:
        tools.output.talk(f"warning: {trouble}")
    if tools.output.is_json:
        tools.output.json(result.as_json())
    else:
        tools.output.data(f"sweep {manifest.sweep_id}: {summary_text(result.state)}")
    return int(ExitCode.OK if result.confirmed else ExitCode.FAILED)


def _ask(manifest: SweepManifest) -> None:
    """Raises: UsageError: nobody can answer.  click.Abort: the answer is no."""
    if not sys.stdin.isatty():
        raise UsageError("ending a sweep has to be confirmed", remedy="Add --yes.", code="not-confirmed")
    jobs = sum(trial.job_id is not None for trial in manifest.trials)
    click.confirm(f"End sweep {manifest.sweep_id} with its {jobs} submitted trials?", abort=True, err=True)
