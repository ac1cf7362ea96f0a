"""`hpcc debug`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values, options
from compose_core.cli.job_look import look_at
from compose_core.cli.output import Output
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError
from compose_core.terminal_text import terminal_text
from compose_core.units import counted, format_duration

if TYPE_CHECKING:
    from compose_core.insight.causes import LikelyCause
    from compose_core.insight.diagnosis import Diagnosis
    from compose_core.tracking.log_tails import LogTail

_CAUSES_SHOWN = 4


@click.command(
    help="Say in one report what is wrong with a job: its state in plain words, what its exit codes mean, the ends of the "
    "logs that matter, likely causes with what speaks for each, and commands to type next.\n\n"
    "JOB is the id of a tracked job, else the newest one is meant. Of an array the first task that failed is looked at."
)
@click.argument("job", required=False, shell_complete=live_values.job_ids)
@options.compose_file
@options.job_id
@options.attempt
@click.option(
    "--lines", "-n", metavar="N", type=click.IntRange(min=0), default=15, show_default=True, help="Lines of each log."
)
@options.common
def debug(tools: Tools, job: str | None, file: Path, job_id: str | None, attempt: int | None, lines: int) -> None:
    """One job, in words."""
    if job and job_id and job != job_id:
        raise UsageError(f"{job} and --job-id {job_id} are two jobs", remedy="Name one of them.", code="job-id")
    found = diagnosis_of(tools, file, job or job_id, attempt)
    if tools.output.is_json:
        tools.output.json(found.as_json(now=tools.site.clock.now(), lines=lines))
    else:
        print_diagnosis(tools.output, found, lines=lines, now=tools.site.clock.now())


def diagnosis_of(tools: Tools, file: Path, job_id: str | None, attempt: int | None = None) -> Diagnosis:
    """The job looked at: its state, its logs, and what the scheduler says of one that waits."""
    from compose_core.insight.diagnosis import diagnose, most_telling, telling_services
    from compose_core.operations import engine_of
    from compose_core.tracking.log_tails import log_tails
    from compose_core.tracking.queue_details import queue_details

    whole = look_at(tools, tools.find_job(file, job_id), attempt)
    snapshot = most_telling(whole)
    logs = log_tails(snapshot.record, telling_services(snapshot), attempt=attempt)
    return diagnose(
        snapshot,
        logs,
        details=queue_details(snapshot, engine_of(tools.site, snapshot.record)).settings,
        compose_file="" if file == Path("compose.yaml") else str(file),
        failed_tasks=[task.job_id for task in whole.tasks if task.failed],
    )


def print_diagnosis(output: Output, found: Diagnosis, *, lines: int, now: float) -> None:
    """The report, wrapped to the terminal; elsewhere each sentence on one line."""
    output.heading(found.headline)
    for fact in found.facts:
        _say(output, fact)
    if len(found.failed_tasks) > 1:
        shown = ", ".join(found.failed_tasks[:10])
        more = f" and {len(found.failed_tasks) - 10} more" if len(found.failed_tasks) > 10 else ""
        _say(output, f"{counted(len(found.failed_tasks), 'task')} failed: {shown}{more}")
    for log in found.logs:
        _print_log(output, log, lines=lines, now=now)
    if found.causes:
        output.data("")
        output.heading("likely causes")
    for cause in found.causes[:_CAUSES_SHOWN]:
        _print_cause(output, cause)
    output.data("")
    output.heading("next")
    width = max(len(one.command) for one in found.commands) if found.commands else 0
    for one in found.commands:
        output.data(terminal_text(f"  {one.command:<{width}}  # {one.why}"))


def _print_log(output: Output, log: LogTail, *, lines: int, now: float) -> None:
    output.data("")
    name = f"log of service '{log.name}'" if log.kind == "service" else log.name
    if log.fault or not log.file.present:
        output.heading(f"{name}: {log.fault or f'{log.file.path} is not there'}")
        return
    age = "" if log.file.updated_at is None else f", written {format_duration(max(0.0, now - log.file.updated_at))} ago"
    shown = log.lines[-lines:] if lines else ()
    last = f"; its last {counted(len(shown), 'line')}:" if shown else "; it is empty" if not log.lines else ""
    output.heading(f"{name} ({log.file.path}{age}){last}")
    for line in shown:
        output.data(f"  | {terminal_text(line)}")


def _print_cause(output: Output, cause: LikelyCause) -> None:
    _say(output, cause.title, first="  * ", rest="    ")
    for evidence in cause.evidence[:3]:
        _say(output, evidence, first="      because ", rest="        ")
    _say(output, cause.advice, first="      → ", rest="        ")


def _say(output: Output, text: str, *, first: str = "  ", rest: str = "    ") -> None:
    text = terminal_text(text)
    if sys.stdout.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        text = textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        output.data(text)
    else:
        output.data(f"{first}{text}")
