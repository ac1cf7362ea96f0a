"""The report of a sweep as one HTML file that needs nothing else: a table, parallel coordinates, objective curves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from compose_core.errors import EnvironmentProblem
from compose_core.spec.models import Objective
from compose_core.sweep.pruning import Curve
from compose_core.sweep.ranking import ResultRow, ScalingSeries, Standing

CURVE_POINTS = 400
"""A longer curve is thinned out: what is drawn has no more points across."""
_COLORS = "Viridis"
_DECADES = 50
"""Numbers that differ by this factor are shown by their logarithm."""
_MOST_TICKS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """Everything that the page shows."""

    sweep_id: str
    compose_file: str
    submitted: str
    """As a person reads it."""
    made: str
    counts: Mapping[str, int]
    objective: Objective | None
    objective_name: str
    best: ResultRow | None
    rows: Sequence[ResultRow]
    standings: Sequence[Standing]
    scaling: Sequence[ScalingSeries] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By trial id."""


def report_html(report: SweepReport) -> str:
    """The page; texts of the sweep stand in it as text, whatever they hold.

    Raises: EnvironmentProblem: plotly is not installed.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("compose_core.sweep").joinpath("templates", "report.html.j2").read_text("utf-8")
    names = _parameter_names(report.rows)
    ranks = {trial: one.rank for one in report.standings for trial in one.trials}
    return environment.from_string(template).render(
        report=report,
        names=names,
        ranks=ranks,
        replicated=any(one.replicates > 1 for one in report.standings),
        figures=[figure for figure in _figures(report, names) if figure is not None],
        script=_plotly_script(),
    )


def _parameter_names(rows: Sequence[ResultRow]) -> list[str]:
    return sorted({name for row in rows for name in row.variables})


def _plotly_script() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise EnvironmentProblem(
            "the HTML report needs plotly, which is not installed",
            remedy="Install it: pip install 'compose-core[plot]'.",
            code="no-plotly",
        ) from error
    return str(get_plotlyjs())


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    title: str
    data: str
    """The figure as JSON that may stand in a script element."""


def _figures(report: SweepReport, names: Sequence[str]) -> tuple[_Figure | None, ...]:
    return (
        _figure("parallel", "Parameters and objective", _parallel(report, names)),
        _figure("curves", "Objective while the trials ran", _curves(report)),
        _figure("scaling", "Scaling", _scaling(report)),
    )


def _figure(name: str, title: str, figure: dict[str, Any] | None) -> _Figure | None:
    if figure is None:
        return None
    return _Figure(name, title, json.dumps(figure, allow_nan=False).replace("<", "\\u003c"))


def _parallel(report: SweepReport, names: Sequence[str]) -> dict[str, Any] | None:
    """One line for each trial with a figure; an axis of words has its words as ticks."""
    rows = [row for row in report.rows if row.objective is not None]
    if len(rows) < 2 or not names:
        return None
    values = [row.objective or 0.0 for row in rows]
    dimensions = [_dimension(name, [row.variables.get(name, "") for row in rows]) for name in names]
    dimensions.append({"label": report.objective_name, "values": values})
    is_less_better = report.objective is None or report.objective.direction == "minimize"
    line = {"color": values, "colorscale": _COLORS, "showscale": True, "reversescale": is_less_better}
    return {
        "data": [{"type": "parcoords", "line": line, "dimensions": dimensions}],
        "layout": {"height": 420, "margin": {"l": 90, "r": 60, "t": 60, "b": 30}},
    }


def _dimension(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Numbers on a scale, of their logarithm where they span decades; words, and few numbers, as ticks."""
    found = [_number(text) for text in texts]
    numbers = [number for number in found if number is not None]
    if len(numbers) < len(texts):
        words = sorted(set(texts))
        return _ticked(name, [float(words.index(text)) for text in texts], texts)
    if min(numbers) > 0 and max(numbers) / min(numbers) >= _DECADES:
        return _ticked(name, [math.log10(number) for number in numbers], texts)
    return _ticked(name, numbers, texts)


def _ticked(name: str, places: Sequence[float], texts: Sequence[str]) -> dict[str, Any]:
    ticks = dict(sorted(zip(places, texts)))
    if len(ticks) > _MOST_TICKS:
        step = len(ticks) / _MOST_TICKS
        kept = {round(number * step) for number in range(_MOST_TICKS)}
        ticks = {place: text for number, (place, text) in enumerate(ticks.items()) if number in kept}
    return {
        "label": name,
        "values": list(places),
        "tickvals": list(ticks),
        "ticktext": [text[:40] for text in ticks.values()],
    }


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _curves(report: SweepReport) -> dict[str, Any] | None:
    data = []
    for row in report.rows:
        curve = report.curves.get(row.trial_id)
        if curve is None or not curve.steps:
            continue
        thin = thinned(curve, CURVE_POINTS)
        data.append(
            {
                "type": "scattergl",
                "mode": "lines+markers" if len(thin.steps) < 3 else "lines",
                "name": row.trial_id,
                "x": list(thin.steps),
                "y": [value if abs(value) < float("inf") else None for value in thin.values],
                "hovertext": f"{row.trial_id}  {row.config_key}  {row.status}",
                "hoverinfo": "text+x+y",
            }
        )
    if not data:
        return None
    layout = {
        "height": 480,
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {"title": {"text": report.objective_name}},
        "hovermode": "closest",
        "margin": {"l": 70, "r": 20, "t": 20, "b": 50},
    }
    return {"data": data, "layout": layout}


def thinned(curve: Curve, points: int) -> Curve:
    """At most so many points, evenly chosen, the last one among them."""
    size = len(curve.steps)
    if size <= points:
        return curve
    chosen = sorted({round(place * (size - 1) / (points - 1)) for place in range(points)})
    return Curve(tuple(curve.steps[at] for at in chosen), tuple(curve.values[at] for at in chosen))


def _scaling(report: SweepReport) -> dict[str, Any] | None:
    if not report.scaling or report.objective is None:
        return None
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": ", ".join(f"{name}={value}" for name, value in series.others.items()) or "all",
            "x": [point.axis for point in series.points],
            "y": [point.mean for point in series.points],
            "error_y": {"type": "data", "array": [point.std or 0.0 for point in series.points]},
        }
        for series in report.scaling
    ]
    layout = {
        "height": 420,
        "xaxis": {"title": {"text": report.objective.scaling_axis}, "type": "log"},
        "yaxis": {"title": {"text": report.objective_name}},
        "margin": {"l": 70, "r": 20, "t": 20, "b": 50},
    }
    return {"data": data, "layout": layout}
