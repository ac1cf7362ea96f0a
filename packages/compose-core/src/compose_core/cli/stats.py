"""`hpcc stats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.stats_report import stats_report
from compose_core.cli.stats_rows import csv_text, jsonl_text
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError

if TYPE_CHECKING:
    from compose_core.job_usage import UsageReading


@click.command(
    help="Show what a job used: CPU time, memory, GPUs, energy. From the samples of x-slurm.metrics where there are any,"
    " else from what its running steps use now; with --accounting also from Slurm's accounts.\n\n"
    "An accounting that has not heard of the end of a job yet is waited for, 30 s at most."
)
@options.compose_file
@options.job_id
@options.attempt
@click.option("--accounting", is_flag=True, help="Ask sacct too: CPU time used, memory, what was allocated.")
@click.option("--no-wait", is_flag=True, help="Do not wait for an accounting that lags behind.")
@click.option(
    "--watch",
    "watching",
    is_flag=True,
    help="Show it again and again until the job ends; JSON Lines where there is no terminal.",
)
@click.option(
    "--interval", metavar="SECONDS", type=click.FloatRange(min=1), default=5.0, show_default=True, help="For --watch."
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw CPU, memory, GPUs and power over time: an .html page or a .png picture.",
)
@options.common_with("text", "json", "csv", "jsonl")
def stats(
    tools: Tools,
    file: Path,
    job_id: str | None,
    attempt: int | None,
    accounting: bool,
    no_wait: bool,
    watching: bool,
    interval: float,
    plot: Path | None,
) -> int:
    """One job, or the tasks of an array."""
    from compose_core.job_usage import UsageQuestion, read_usage

    if watching:
        return _watch(tools, file, job_id, accounting=accounting, interval_s=interval, plot=plot, attempt=attempt)
    if plot is not None:
        _check_plot(plot)
    record = tools.find_job(file, job_id)
    question = UsageQuestion(
        accounting=accounting or record.backend == "local",
        attempt=attempt,
        say=None if no_wait else tools.output.talk,
    )
    reading = read_usage(tools.site, [record], question)[0]
    show(tools, reading, with_accounting=accounting)
    if plot is not None:
        draw(tools, reading, plot)
    return 0


def show(tools: Tools, reading: UsageReading, *, with_accounting: bool) -> None:
    """The answer in the form that was asked for."""
    output = tools.output
    if output.format == "text":
        from compose_core.cli.stats_text import print_stats

        print_stats(output, reading)
        return
    report = stats_report(reading, with_accounting=with_accounting)
    if output.is_json:
        output.json(report)
    elif output.format == "csv":
        output.data(csv_text(report, with_accounting=with_accounting), newline=False)
    else:
        output.data(jsonl_text(report), newline=False)


def _check_plot(plot: Path) -> None:
    """Before anything is asked: the library is there, and the name says what to draw.

    Raises: UsageError, EnvironmentProblem: it is not.
    """
    from compose_core.cli.plots import drawer_for

    drawer_for(plot)


def draw(tools: Tools, reading: UsageReading, plot: Path) -> None:
    """The figure, in a file.

    Raises: UsageError: nothing was sampled.
    """
    from compose_core.cli.plots.run import draw_run

    draw_run(reading, plot)
    tools.output.talk(f"drawn: {plot}")


def _watch(
    tools: Tools,
    file: Path,
    job_id: str | None,
    *,
    accounting: bool,
    interval_s: float,
    plot: Path | None,
    attempt: int | None,
) -> int:
    if attempt is not None or plot is not None:
        raise UsageError(
            "--watch looks at the newest attempt and draws nothing", remedy="Leave out --attempt and --plot."
        )
    if tools.output.format in ("json", "csv"):
        raise UsageError("--watch has no end to report", remedy="Use --format text or jsonl with it.")
    from compose_core.cli.stats_watch import watch_stats

    return watch_stats(tools, tools.find_job(file, job_id), accounting=accounting, interval_s=interval_s)
