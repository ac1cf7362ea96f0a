"""The course of one run as a plotly figure: hover for values, click a device in the legend to hide it everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compose_core.cli.plots import library
from compose_core.cli.plots.colours import BAD, GOOD, LIMIT, LINES, MARK, RUNNING, line_style
from compose_core.cli.plots.page import plain
from compose_core.cli.plots.zone import local_time, zone_name
from compose_core.insight.run_figure import Mark, Panel, RunFigure, ServiceSpan

_ROW = 190
_SPAN = 26
_MARKS = 200
"""Lines through all panels; a job of more events shows them in its first row alone."""
_SYMBOLS = {
    "started": "triangle-right",
    "restarted": "circle",
    "ready": "triangle-up",
    "exited": "x",
    "finished": "square",
}


def run_traces(figure: RunFigure) -> Any:
    """The plotly figure.

    Raises: EnvironmentProblem: plotly is not installed.
    """
    graph = library("plotly.graph_objects")
    subplots = library("plotly.subplots")
    services = figure.rows
    strip = max(90, _SPAN * (len(services) + 1)) if services else 0
    rows = ([strip] if services else []) + [_ROW] * len(figure.panels)
    titles = (["Services"] if services else []) + [_title(panel) for panel in figure.panels]
    shown = subplots.make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        row_heights=[height / sum(rows) for height in rows],
        vertical_spacing=min(0.06, 44 / sum(rows)),
        subplot_titles=[plain(title) for title in titles],
    )
    if services:
        _draw_services(graph, shown, figure, services)
    named: set[str] = set()
    for number, panel in enumerate(figure.panels, start=2 if services else 1):
        _draw_panel(graph, shown, panel, number, named)
    _draw_marks(graph, shown, figure, services)
    _lay_out(shown, figure, sum(rows) + 60 * len(rows) + 60)
    return shown


def _title(panel: Panel) -> str:
    return f"{panel.title} ({panel.unit})"


def _draw_services(graph: Any, shown: Any, figure: RunFigure, services: Sequence[str]) -> None:
    """One row for each service: a bar from start to end."""
    for span in figure.spans:
        begin, end = local_time(span.begin), local_time(span.end if span.end is not None else figure.end)
        name = plain(span.service)
        shown.add_trace(
            graph.Scatter(
                x=[begin, end],
                y=[name, name],
                mode="lines",
                line={"color": _span_colour(span), "width": 12},
                hovertemplate=f"{name}: %{{x|%H:%M:%S}}<extra>{plain(_span_text(span))}</extra>",
                showlegend=False,
            ),
            row=1,
            col=1,
        )
    shown.update_yaxes(
        row=1, col=1, type="category", categoryorder="array", categoryarray=[*map(plain, reversed(services))]
    )


def _span_colour(span: ServiceSpan) -> str:
    return BAD if span.failed else GOOD if span.end is not None else RUNNING


def _span_text(span: ServiceSpan) -> str:
    how = "goes on" if span.end is None else f"exit {span.exit_code}" if span.exit_code is not None else "ended"
    return f"{'restarted, ' if span.is_restart else ''}{how}"


def _draw_panel(graph: Any, shown: Any, panel: Panel, row: int, named: set[str]) -> None:
    for number, line in enumerate(panel.lines):
        colour, dash = line_style(number)
        group = line.name if panel.key not in ("cpu", "memory") else f"{panel.key}: {line.name}"
        shown.add_trace(
            graph.Scatter(
                x=[local_time(at) for at in line.at],
                y=[float(f"{value:.5g}") for value in line.values],
                name=plain(line.name),
                mode="lines" if len(line.at) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": 1.6},
                legendgroup=plain(line.name),
                showlegend=line.name not in named,
                hovertemplate=f"%{{y:.4g}} {panel.unit}<extra>{plain(group)}</extra>",
            ),
            row=row,
            col=1,
        )
        named.add(line.name)
    if panel.limit is not None and panel.limit_name:
        shown.add_hline(
            y=panel.limit,
            row=row,
            col=1,
            line={"color": LIMIT, "dash": "dash", "width": 1},
            annotation={
                "text": plain(f"{panel.limit_name}: {panel.limit_text}"),
                "font": {"size": 11, "color": LIMIT},
            },
            annotation_position="top left",
        )
    top = max(panel.top, panel.limit or 0.0) or 1.0
    shown.update_yaxes(row=row, col=1, range=[0, 105 if panel.unit == "%" else top * 1.15], title_text=panel.unit)


def _draw_marks(graph: Any, shown: Any, figure: RunFigure, services: Sequence[str]) -> None:
    """What happened, as symbols in the row of its service, and as thin lines through all panels."""
    inside = [mark for mark in figure.marks if mark.row in services]
    for event in dict.fromkeys(mark.event for mark in inside):
        of_event = [mark for mark in inside if mark.event == event]
        shown.add_trace(
            graph.Scatter(
                x=[local_time(mark.at) for mark in of_event],
                y=[plain(mark.row) for mark in of_event],
                mode="markers",
                name=plain(event),
                legendgroup="events",
                legendgrouptitle={"text": "events"},
                marker={"symbol": _SYMBOLS.get(event, "diamond"), "size": 10, "color": "#222222"},
                text=[plain(mark.text) for mark in of_event],
                hovertemplate="%{text}, %{x|%H:%M:%S}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    for mark in figure.marks[:_MARKS]:
        shown.add_vline(x=local_time(mark.at), line={"color": _mark_colour(mark), "width": 0.8, "dash": "dot"})


def _mark_colour(mark: Mark) -> str:
    return LINES[0] if mark.event == "ready" else MARK


def _lay_out(shown: Any, figure: RunFigure, height: int) -> None:
    begin, end = local_time(figure.begin), local_time(figure.end)
    shown.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 70, "r": 30, "t": 50, "b": 60},
        hovermode="x unified",
        legend={
            "x": 1.02,
            "y": 1,
            "xanchor": "left",
            "yanchor": "top",
            "font": {"size": 11},
            "groupclick": "togglegroup",
        },
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    shown.update_xaxes(range=[begin, end], showgrid=True)
    rows = len(list(shown.select_xaxes()))
    shown.update_xaxes(title_text=f"time ({plain(zone_name(figure.begin))})", row=rows, col=1)
    for note in shown.layout.annotations[:rows]:
        note.update(x=0, xanchor="left", font={"size": 13})
