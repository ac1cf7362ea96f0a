"""`hpcc replay`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from compose_core.cli import options
from compose_core.cli.moment import epoch_s
from compose_core.cli.tools import Tools
from compose_core.clock import SystemClock, iso
from compose_core.errors import HpccError, UsageError
from compose_core.units import parse_duration_s

if TYPE_CHECKING:
    from compose_core.cli.following import WatchMode

FRAMES = 1000
"""In the JSON report, unless more are asked for."""


@click.command(
    help="Look at a run again: what happened when, and how everything was at any moment.\n\n"
    "On an interactive terminal this opens the view of `hpcc watch` with the run in it; elsewhere, and with --no-tui, it"
    " prints what happened and exits. It reads the job's own files and asks no scheduler."
)
@options.compose_file
@options.job_id
@options.service
@options.attempt
@click.option(
    "--speed",
    metavar="N",
    type=click.FloatRange(0.1, 10_000),
    default=1.0,
    show_default=True,
    help="How fast it plays.",
)
@click.option(
    "--at", metavar="TIME", help="Begin at 1h30m after the start of the run, or at a date; as text, only that moment."
)
@click.option("--frames", metavar="N", type=click.IntRange(0, 1_000_000), default=FRAMES, show_default=True,
              help="At most so many moments in the JSON report.")  # fmt: skip
@click.option("--watch-mode", type=click.Choice(["auto", "tui", "line"]), default="auto", show_default=True,
              help="line prints what happened; auto opens the view where there is a terminal.")  # fmt: skip
@click.option("--no-tui", is_flag=True, help="The same as --watch-mode line.")
@options.common
def replay(
    tools: Tools,
    file: Path,
    job_id: str | None,
    services: tuple[str, ...],
    attempt: int | None,
    speed: float,
    at: str | None,
    frames: int,
    watch_mode: str,
    no_tui: bool,
) -> int:
    """Never settles, never asks: the record and the job folder are all there is."""
    from compose_core.cli.following import Following
    from compose_core.cli.replay_text import print_moment, print_timeline, replay_report
    from compose_core.operations import find_job
    from compose_core.tracking.log_source import service_logs
    from compose_core.watch.run_history import RunHistory

    mode = cast("WatchMode", "line" if no_tui else watch_mode)
    wants_view = Following(mode=mode).wants_view(tools, os.environ)
    _moment(at, 0.0)  # a mistake in it is told before anything is read
    record = find_job(tools.project_dir(file), job_id)
    history = RunHistory(record, attempt=attempt)
    service_logs(record, services)  # a service that the job does not have is an error
    if not history.timeline.events:
        raise HpccError(
            f"job {record.job_id} has left nothing that could be replayed",
            details="\n".join(history.notes),
            remedy="It may not have started yet: `hpcc status` says how it is.",
            code="nothing-to-replay",
        )
    moment = _moment(at, history.timeline.begin)
    if tools.output.is_json:
        tools.output.json(replay_report(history, services, frames=frames, at=moment))
        return 0
    if wants_view:
        from compose_core.cli.replay_view import show_replay

        return show_replay(history, SystemClock(), services, speed=speed, at=moment)
    if moment is not None:
        begin, end = history.timeline.begin, history.timeline.end
        if not begin <= moment <= end:
            tools.output.talk(f"note: the run is known from {iso(begin)} to {iso(end)}, and --at is outside of that")
        print_moment(tools.output, history, services, moment)
    else:
        print_timeline(tools.output, history, services)
    return 0


def _moment(text: str | None, begin: float) -> float | None:
    if text is None:
        return None
    try:
        return begin + parse_duration_s(text)
    except (ValueError, OverflowError) as error:
        at = epoch_s(text)
        if at is None:
            raise UsageError(
                f"--at: {error}", remedy="Or a time such as 2026-01-31T12:00:00 or 2026-01-31T12:00:00+01:00."
            ) from error
        return at
