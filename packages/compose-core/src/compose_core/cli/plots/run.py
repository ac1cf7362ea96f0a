"""The figure of one run, from what is known of it to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.cli.plots import drawer_for
from compose_core.errors import RecordError, UsageError
from compose_core.insight.run_figure import RunFigure, run_figure
from compose_core.records.events import Event, read_events
from compose_core.tracking.state_text import state_text

if TYPE_CHECKING:
    from compose_core.job_usage import UsageReading


def draw_run(reading: UsageReading, plot: Path) -> None:
    """The course of the run in a file that ends in .html or .png.

    Raises: UsageError: nothing was sampled, or it is an array.  EnvironmentProblem: it cannot be drawn or written here.
    """
    kind = drawer_for(plot)
    figure = figure_of(reading)
    if kind == ".html":
        from compose_core.cli.plots.page import write_page
        from compose_core.cli.plots.run_page import run_traces

        write_page(plot, figure.title, [run_traces(figure)])
        return
    from compose_core.cli.plots.run_picture import write_picture

    write_picture(plot, figure)


def figure_of(reading: UsageReading) -> RunFigure:
    """What there is to draw.

    Raises: UsageError: nothing was sampled, or it is an array.
    """
    snapshot = reading.snapshot
    if reading.tasks:
        raise UsageError(
            f"job {snapshot.job_id} is an array: each task has a course of its own",
            remedy=f"Draw one task: --job-id {reading.tasks[0].snapshot.job_id}",
            code="plot-array",
        )
    figure = run_figure(
        reading.usage,
        _events(reading),
        title=f"job {snapshot.job_id} ({snapshot.record.name}): {state_text(snapshot)}",
        begin=snapshot.started_at,
        end=snapshot.ended_at,
    )
    if figure is None:
        raise UsageError(
            f"job {snapshot.job_id} has no samples to draw",
            remedy="Give the job `x-slurm: {metrics: {collectors: [gpu, slurm, cpu]}}` and run it again; without GPUs and "
            "without steps of Slurm, `cpu` alone finds something.",
            code="nothing-to-draw",
        )
    return figure


def _events(reading: UsageReading) -> tuple[Event, ...]:
    """A figure without its events is better than none."""
    try:
        return read_events(reading.files.paths.events).events if reading.files else ()
    except RecordError:
        return ()
