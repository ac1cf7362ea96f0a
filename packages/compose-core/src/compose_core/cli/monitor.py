"""`hpcc monitor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.terminal_text import terminal_text
from compose_core.units import parse_duration_s

if TYPE_CHECKING:
    from compose_core.cli.monitor_selection import Selection
    from compose_core.cluster.runner import CommandRunner
    from compose_core.monitor.monitor import Ears
    from compose_core.monitor.opening import Opened
    from compose_core.records.job_record import JobRecord
    from compose_core.records.monitor_rows import Row
    from compose_core.records.our_path import OurPath
    from compose_core.tracking.poller import Poller

USUAL_INTERVAL_S = 60
SHORTEST_INTERVAL_S = 1


@click.command(
    help="Watch jobs until all have ended, and tell every change once: for hours and days, with one question to the"
    " scheduler per interval for all jobs.\n\n"
    "The exit status is 0 when every job completed. A monitor that is killed goes on where it was when it is started again."
)
@options.compose_file
@click.option(
    "--job",
    "jobs",
    metavar="ID",
    multiple=True,
    shell_complete=live_values.job_ids,
    help="This job; may be given several times.",
)
@click.option(
    "--sweep", "sweep_id", metavar="ID", shell_complete=live_values.sweep_ids, help="The trials of this sweep."
)
@click.option(
    "--all",
    "all_jobs",
    is_flag=True,
    help="Every tracked job of the folder that has not ended; so it is without another choice.",
)
@click.option("--global", "everywhere", is_flag=True, help="Those of all folders that you have submitted from.")
@click.option(
    "--interval",
    metavar="DURATION",
    default="60s",
    show_default=True,
    help="Between two looks: 60s, 5m …; 1s at least.",
)
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Append the records to this file as text.")
@click.option(
    "--jsonl", type=click.Path(path_type=Path, dir_okay=False), help="Append them to this file, one JSON object a line."
)
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help="Call this program, with its arguments, at every change of state; no shell reads it.",
)
@click.option(
    "--exec-timeout", metavar="DURATION", default="30s", show_default=True, help="How long one call may take."
)
@click.option(
    "--alert-after",
    metavar="N",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Alert after so many questions in a row that the scheduler did not answer.",
)
@click.option(
    "--state-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What it has seen and told, instead of a file below .hpc-compose/monitors.",
)
@options.common
def monitor(
    tools: Tools,
    file: Path,
    jobs: tuple[str, ...],
    sweep_id: str | None,
    all_jobs: bool,
    everywhere: bool,
    interval: str,
    log: Path | None,
    jsonl: Path | None,
    command: str | None,
    exec_timeout: str,
    alert_after: int,
    state_file: Path | None,
) -> int:
    """One monitor, to its end."""
    from compose_core.cli.monitor_selection import Choice, selected
    from compose_core.monitor.efficiency import AccountedEfficiency
    from compose_core.monitor.hook import Hook, hook_words
    from compose_core.monitor.monitor import Monitor
    from compose_core.monitor.opening import opened

    choice = Choice(file=file, jobs=jobs, sweep_id=sweep_id, all_jobs=all_jobs, everywhere=everywhere)
    choice.check()
    interval_s = _interval_s(tools, interval)
    words = hook_words(command) if command is not None else None
    timeout_s = _duration_s("--exec-timeout", exec_timeout)
    chosen = selected(tools, choice)
    place = _state_place(chosen, state_file)
    with opened(place, chosen.name, chosen.records, clock=tools.site.clock, host=tools.site.host) as begun:
        if not begun.state.jobs:
            tools.output.talk("there is no job that has not ended")
            return 0
        _tell_begin(tools, begun)
        watched = Monitor(
            begun.state,
            file=begun.file,
            looker=_looker(tools, begun.records, interval_s),
            efficiency=AccountedEfficiency(tools.site),
            clock=tools.site.clock,
            ears=_ears(tools, log, jsonl),
            hook=Hook(words, _host_runner(tools), tools.site.environment, timeout_s=timeout_s) if words else None,
            alert_after=alert_after,
            folder=Path.cwd(),
        )
        try:
            state = watched.run()
        except KeyboardInterrupt:
            tools.output.talk("\nthe jobs go on; the same command goes on watching them")
            return int(ExitCode.INTERRUPTED)
    return int(ExitCode.OK if all(job.state == "COMPLETED" for job in state.jobs) else ExitCode.FAILED)


def _state_place(selection: Selection, named: Path | None) -> OurPath:
    from compose_core.monitor.opening import state_file, user_file

    return user_file(named) if named is not None else state_file(selection.folder, selection.name)


def _tell_begin(tools: Tools, begun: Opened) -> None:
    from compose_core.units import counted

    verb = "goes on watching" if begun.resumed else "watches"
    tools.output.talk(f"monitor {verb} {counted(len(begun.state.jobs), 'job')}; its state is in {begun.file}")
    if begun.resumed and begun.state.untold:
        tools.output.talk("the first records may have been shown before the earlier monitor ended")


def _looker(tools: Tools, records: tuple[JobRecord, ...], interval_s: float) -> Poller:
    from compose_core import operations
    from compose_core.tracking.poller import Pace

    never = float("inf")  # files are looked at together with the scheduler
    pace = Pace(first_s=interval_s, growth=1, longest_s=interval_s, longest_silent_s=interval_s, files_s=never)
    return operations.poller(tools.site, records, pace=pace)


def _host_runner(tools: Tools) -> CommandRunner:
    """The command runs here, wherever the scheduler's programs do."""
    from compose_core.cluster.runner import HostRunner

    return HostRunner(tools.site.environment, clock=tools.site.clock)


def _ears(tools: Tools, log: Path | None, jsonl: Path | None) -> Ears:
    """The files, and stdout unless --quiet leaves the records to a file; an alert that no person sees there goes to stderr."""
    from compose_core.monitor.log_file import LogFile
    from compose_core.monitor.monitor import Ears
    from compose_core.monitor.text import json_line_of, text_of

    shows = not tools.output.quiet or (log is None and jsonl is None)
    is_seen = shows and not tools.output.is_json and sys.stdout.isatty()

    def tell(row: Row) -> None:
        if shows:
            click.echo(json_line_of(row).decode() if tools.output.is_json else text_of(row), nl=False)
        if row.event in ("ALERT", "RECOVERED") and not is_seen:
            click.echo(text_of(row), nl=False, err=True)

    return Ears(
        log=LogFile(log) if log is not None else None,
        jsonl=LogFile(jsonl) if jsonl is not None else None,
        tell=tell,
        warn=lambda text: click.echo(f"warning: {terminal_text(text)}", err=True),
    )


def _interval_s(tools: Tools, text: str) -> int:
    seconds = _duration_s("--interval", text)
    if seconds < USUAL_INTERVAL_S:
        tools.output.talk(f"warning: every {seconds} s is more often than a shared scheduler is to be asked for long")
    return seconds


def _duration_s(option: str, text: str) -> int:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if seconds < SHORTEST_INTERVAL_S:
        raise UsageError(f"{option}: {text!r} is too short", remedy=f"Give {SHORTEST_INTERVAL_S}s or more.")
    return seconds
