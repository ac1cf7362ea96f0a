"""The course of one run as a picture for papers, tickets and chats."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compose_core.cli.plots import library
from compose_core.cli.plots.colours import BAD, GOOD, LIMIT, LINES, MARK, RUNNING, line_style
from compose_core.cli.plots.zone import local_time, zone_name
from compose_core.errors import EnvironmentProblem
from compose_core.insight.run_figure import Panel, RunFigure, ServiceSpan

_WIDTH_IN = 12.0
_PANEL_IN = 1.75
_SERVICE_IN = 0.28
_DASHES = {"solid": "-", "dash": "--", "dot": ":"}
_SYMBOLS = {"started": ">", "restarted": "o", "ready": "^", "exited": "x", "finished": "s"}
_MARKS = 60


def write_picture(path: Path, figure: RunFigure) -> None:
    """The picture in a file that nobody else can read.

    Raises: EnvironmentProblem: matplotlib is not installed, or the file cannot be written.
    """
    drawn = _drawn(figure)
    data = io.BytesIO()
    drawn.savefig(data, format="png", dpi=130, bbox_inches="tight", facecolor="white")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data.getvalue())
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written: {error.strerror}", remedy="Name a file in a folder that exists and is yours."
        ) from error


def _drawn(figure: RunFigure) -> Any:
    """A matplotlib figure without pyplot, which would want a display or leave state behind."""
    library("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    services = figure.rows
    heights = [_PANEL_IN] * len(figure.panels)
    if services:
        heights.insert(0, max(0.7, _SERVICE_IN * (len(services) + 1)))
    drawn = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.45 * len(heights) + 0.6), layout="constrained")
    FigureCanvasAgg(drawn)
    drawn.suptitle(_plain(figure.title), x=0.01, ha="left", fontsize=13, fontweight="bold")
    rows = drawn.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    if services:
        _draw_services(rows[0], figure, services)
    groups: list[tuple[str, ...]] = []
    for axes, panel in zip(rows[1:] if services else rows, figure.panels):
        names = tuple(line.name for line in panel.lines)
        _draw_panel(axes, panel, with_legend=names not in groups)
        groups.append(names)
    for axes in rows:
        for mark in figure.marks[:_MARKS]:
            colour = LINES[0] if mark.event == "ready" else MARK
            axes.axvline(local_time(mark.at), color=colour, linewidth=0.7, linestyle=":", zorder=0)
    _time_axis(rows[-1], figure)
    return drawn


def _draw_services(axes: Any, figure: RunFigure, services: Sequence[str]) -> None:
    """One row for each service: a bar from start to end, symbols for what happened."""
    places = {service: len(services) - 1 - number for number, service in enumerate(services)}
    for span in figure.spans:
        begin, end = local_time(span.begin), local_time(span.end if span.end is not None else figure.end)
        axes.barh(places[span.service], end - begin, left=begin, height=0.5, color=_span_colour(span), alpha=0.85)
    seen: dict[str, Any] = {}
    for mark in figure.marks:
        if mark.row in places:
            (seen[mark.event],) = axes.plot(
                [local_time(mark.at)],
                [places[mark.row]],
                _SYMBOLS.get(mark.event, "D"),
                color="#222222",
                markersize=5,
                clip_on=False,
            )
    axes.set_yticks(list(places.values()), [_plain(service) for service in places], fontsize=9)
    axes.set_ylim(-0.7, len(services) - 0.3)
    axes.set_title("Services", loc="left", fontsize=10)
    _beside(axes, list(seen.values()), [_plain(event) for event in seen])
    _quiet(axes)


def _span_colour(span: ServiceSpan) -> str:
    return BAD if span.failed else GOOD if span.end is not None else RUNNING


def _draw_panel(axes: Any, panel: Panel, *, with_legend: bool) -> None:
    for number, line in enumerate(panel.lines):
        colour, dash = line_style(number)
        axes.plot(
            [local_time(at) for at in line.at],
            list(line.values),
            color=colour,
            linestyle=_DASHES[dash],
            linewidth=1.3,
            marker="." if len(line.at) == 1 else None,
            label=_plain(line.name),
        )
    if panel.limit is not None and panel.limit_name:
        label = f"{panel.limit_name}: {panel.limit_text}"
        axes.axhline(panel.limit, color=LIMIT, linestyle="--", linewidth=0.9)
        axes.annotate(
            _plain(label),
            xy=(0.005, panel.limit),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            fontsize=8,
            color=LIMIT,
        )
    top = max(panel.top, panel.limit or 0.0) or 1.0
    axes.set_ylim(0, 105 if panel.unit == "%" else top * 1.2)
    axes.set_ylabel(panel.unit, fontsize=9)
    axes.set_title(_plain(panel.title), loc="left", fontsize=10)
    if with_legend:
        _beside(axes, *axes.get_legend_handles_labels())
    _quiet(axes)


def _beside(axes: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend at the right, outside of the axes; in two columns when it is long."""
    if handles:
        axes.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=(1.005, 1.02),
            fontsize=8,
            frameon=False,
            ncols=1 if len(labels) <= 10 else 2,
            borderaxespad=0,
        )


def _quiet(axes: Any) -> None:
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=9)


def _time_axis(axes: Any, figure: RunFigure) -> None:
    dates = library("matplotlib.dates")
    locator = dates.AutoDateLocator(minticks=5, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    formats = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, formats=formats))
    axes.set_xlim(local_time(figure.begin), local_time(figure.end))
    axes.set_xlabel(f"time ({zone_name(figure.begin)})", fontsize=9)


def _plain(text: str) -> str:
    """A text for matplotlib, which takes what stands between two `$` for a formula; cut to what a legend can hold."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return shown.replace("$", r"\$")
