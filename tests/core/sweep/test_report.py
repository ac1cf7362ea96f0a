"""The report of a sweep as one HTML file."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import pytest

from compose_core.errors import EnvironmentProblem
from compose_core.spec.models import Objective
from compose_core.sweep.pruning import Curve
from compose_core.sweep.ranking import ResultRow, best_row, scaling, standings
from compose_core.sweep.report import SweepReport, report_html, thinned

OBJECTIVE = Objective(direction="minimize", metric="loss", scaling_axis="nodes")


def row(index: int, value: float | None, **fields: Any) -> ResultRow:
    variables = {"nodes": str(index + 1), "name": "a" if index % 2 else "b"}
    fields = {"status": "completed", "variables": variables, **fields}
    key = ";".join(f"{name}={value}" for name, value in fields["variables"].items())
    return ResultRow(trial_id=f"t{index:03d}", index=index, config_key=key, objective=value, **fields)


def page(rows: list[ResultRow], **fields: Any) -> str:
    found = standings(rows, OBJECTIVE)
    report = SweepReport(
        **{
            "sweep_id": "sweep-1",
            "compose_file": "/p/compose.yaml",
            "submitted": "then",
            "made": "now",
            "counts": {"completed": len(rows), "failed": 0},
            "objective": OBJECTIVE,
            "objective_name": "loss",
            "best": best_row(rows, OBJECTIVE),
            "rows": rows,
            "standings": found,
            "scaling": scaling(found, OBJECTIVE),
            **fields,
        }
    )
    return report_html(report)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, style, image or font is loaded."""
    own = without_plotly(page([row(0, 1.0), row(1, 2.0)]))
    assert re.findall(r"(?:src|href)\s*=|@import|url\(", own) == []


def test_it_shows_table_parallel_coordinates_curves_and_scaling() -> None:
    curves = {"t000": Curve((1.0, 2.0), (3.0, math.nan))}
    own = without_plotly(page([row(0, 1.0), row(1, 2.0), row(2, None, status="failed")], curves=curves))
    assert [name for name in ("parallel", "curves", "scaling") if f'Plotly.newPlot("{name}"' in own] == [
        "parallel",
        "curves",
        "scaling",
    ]
    assert own.count("<tr") == 4
    assert "<strong>t000</strong>" in own
    assert "3 completed" in own


def test_without_figures_there_is_still_the_table() -> None:
    """A sweep that has just begun, or has no objective."""
    own = without_plotly(page([row(0, None, status="pending")], objective=None, objective_name="", best=None))
    assert "Plotly.newPlot" not in own
    assert "t000" in own


def test_texts_of_the_sweep_stay_texts() -> None:
    """Values of parameters and what services wrote may hold anything."""
    evil = "</script><script>alert(1)</script>"
    rows = [row(index, 1.0 + index, variables={"p": evil + str(index)}, detail=evil) for index in range(2)]
    own = without_plotly(page(rows, sweep_id=evil, objective_name=evil))
    assert "<script>alert" not in own
    assert "alert(1)" in own


def test_a_missing_plotly_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(EnvironmentProblem, match="plotly") as caught:
        page([row(0, 1.0)])
    assert "compose-core[plot]" in caught.value.remedy


def test_a_long_curve_is_thinned_to_its_end() -> None:
    curve = Curve(tuple(map(float, range(10_000))), tuple(map(float, range(10_000))))
    thin = thinned(curve, 400)
    assert len(thin.steps) <= 400
    assert (thin.steps[0], thin.steps[-1]) == (0.0, 9999.0)


def without_plotly(text: str) -> str:
    """The page's own part."""
    from plotly.offline import get_plotlyjs

    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), "")
