"""`hpcc sweep status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.tools import Tools

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.sweep.state import SweepState

_FAULTS_SHOWN = 10


@click.command(
    help="Show how many trials of a sweep are completed, failed, running or pending, and each trial; one question to the "
    "scheduler for all of them."
)
@options.compose_file
@sweep_options.sweep_id
@click.option("--summary", "only_summary", is_flag=True, help="The counts alone, not each trial.")
@options.common
def status(tools: Tools, file: Path, sweep_id: str | None, only_summary: bool) -> None:
    """Manifest → one look → counts."""
    from compose_core.sweep.state import sweep_state

    state = sweep_state(tools.site, sweep_options.find_sweep(tools, file, sweep_id))
    if tools.output.is_json:
        tools.output.json(state.as_json())
        return
    print_state(tools.output, state, with_trials=not only_summary)


def print_state(output: Output, state: SweepState, *, with_trials: bool) -> None:
    """The sweep as text."""
    manifest = state.manifest
    output.heading(f"sweep {manifest.sweep_id}: {summary_text(state)}")
    if manifest.stopped_at is not None:
        output.data(f"stopped{f': {manifest.stop_reason}' if manifest.stop_reason else ''}")
    if with_trials:
        print_trials(output, state)
    for one in [one for one in state.trials if one.detail and one.status != "completed"][:_FAULTS_SHOWN]:
        output.talk(f"{one.trial.trial_id}: {one.detail}")


def print_trials(output: Output, state: SweepState) -> None:
    """One line per trial."""
    names = sorted({name for trial in state.manifest.trials for name in trial.variables})
    rows = [
        [
            one.trial.trial_id,
            one.status,
            one.trial.job_id or "-",
            str(one.snapshot.state) if one.snapshot else "-",
            *(one.trial.variables.get(name, "") for name in names),
        ]
        for one in state.trials
    ]
    output.table(["TRIAL", "STATUS", "JOB", "STATE", *names], rows)


def summary_text(state: SweepState) -> str:
    """`3 completed, 1 running of 4`."""
    counts = [f"{count} {status.replace('_', ' ')}" for status, count in state.summary.items() if count]
    return f"{', '.join(counts)} of {len(state.trials)}"
