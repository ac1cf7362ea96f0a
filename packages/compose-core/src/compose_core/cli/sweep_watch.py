"""`hpcc sweep watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.sweep_status import print_state, summary_text
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode

if TYPE_CHECKING:
    from compose_core.sweep.state import SweepState, TrialState

_MOST_LINES = 20
"""Of one look; hundreds that end at once are counted instead."""


@click.command(
    help="Follow a sweep until no trial runs or waits: one line for each change, then the counts.\n\nThe exit status is 0 when "
    "all trials completed, 1 otherwise. Ctrl-C leaves the sweep running."
)
@options.compose_file
@sweep_options.sweep_id
@options.common
def watch(tools: Tools, file: Path, sweep_id: str | None) -> int:
    """Look again and again, as seldom as the pace allows."""
    from compose_core.sweep.follow import follow_sweep

    manifest = sweep_options.find_sweep(tools, file, sweep_id)
    told: dict[str, str] = {}
    try:
        for state in follow_sweep(tools.site, manifest):
            _tell_changes(tools, state, told)
    except KeyboardInterrupt:
        tools.output.talk(f"\nsweep {manifest.sweep_id} goes on; to end it: hpcc sweep stop")
        return int(ExitCode.INTERRUPTED)
    if tools.output.is_json:
        tools.output.json(state.as_json())
    else:
        print_state(tools.output, state, with_trials=False)
    return int(ExitCode.OK if state.summary["completed"] == len(state.trials) else ExitCode.FAILED)


def _tell_changes(tools: Tools, state: SweepState, told: dict[str, str]) -> None:
    changed = [one for one in state.trials if told.get(one.trial.trial_id) != one.status]
    first = not told
    told.update({one.trial.trial_id: one.status for one in changed})
    lines = [] if first or len(changed) > _MOST_LINES else changed
    for one in lines:
        tools.output.talk(_line(one))
    if changed:
        tools.output.talk(summary_text(state))


def _line(one: TrialState) -> str:
    detail = f" ({one.detail})" if one.detail and one.status != "completed" else ""
    return f"{one.trial.trial_id} {one.trial.config_key}: {one.status}{detail}"
