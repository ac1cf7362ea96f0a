"""Figures of a run: what is in them, whatever names jobs have; and what is said where a library is missing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from compose_core.cli.plots import drawer_for
from compose_core.cli.plots.page import page_text
from compose_core.cli.plots.run import draw_run, figure_of
from compose_core.cli.plots.run_page import run_traces
from compose_core.cli.plots.run_picture import write_picture
from compose_core.cli.plots.zone import zone_name
from compose_core.errors import EnvironmentProblem, UsageError
from compose_core.insight.run_figure import LINES, run_figure
from compose_core.insight.samples import MetricRows, sum_up
from compose_core.insight.usage import job_usage
from compose_core.records.events import Event
from tests.core.cli.test_stats_report import metric_rows, reading
from tests.core.tracking.world import NOW

HOSTILE = "</script><script>alert(1)</script><b>$x_1$\x1b[2J"
EVENTS = [
    Event(NOW, "started", "train", {}),
    Event(NOW + 5, "ready", "train", {}),
    Event(NOW + 20, "exited", "train", {"exit_code": 0, "signal": 9}),
    Event(NOW + 25, "restarted", "train", {}),
    Event(NOW + 30, "started", HOSTILE, {}),
    Event(NOW + 58, "exited", "train", {"exit_code": 0}),
    Event(NOW + 59, "finished", None, {"exit_code": 0}),
    Event(NOW + 9e9, "exited", "train", {}),
]


def test_services_and_what_happened_to_them() -> None:
    usage = job_usage("7", samples=sum_up(None, metric_rows()))
    figure = run_figure(usage, EVENTS, title="job 7", begin=NOW - 3, end=NOW + 60)
    assert figure is not None
    assert [panel.key for panel in figure.panels] == ["cpu", "memory", "gpu", "gpu_memory", "power"]
    first, second, other = figure.spans
    assert (first.exit_code, first.failed, first.ready_at) == (137, True, NOW + 5)
    assert (second.is_restart, second.failed, second.end) == (True, False, NOW + 58)
    assert (other.end, other.failed) == (None, False)
    assert figure.rows == ("train", HOSTILE, "(job)")
    assert len(figure.marks) == 7, "one of another planet is left out"
    assert (figure.begin, figure.end) == (NOW - 3, NOW + 60)


def test_many_devices_become_three_lines() -> None:
    rows = [
        {"sampled_at": NOW + at, "node": "n", "index": index, "uuid": f"G{index}", "utilization_gpu": index}
        for at in range(0, 60, 5)
        for index in range(LINES + 1)
    ]
    figure = run_figure(job_usage("7", samples=sum_up(None, MetricRows(gpu=rows))), [], title="t", begin=None, end=None)
    assert figure is not None
    (panel,) = figure.panels
    assert [(line.name, line.values[0]) for line in panel.lines] == [("highest", 24), ("mean", 12), ("lowest", 0)]


def test_a_page_needs_nothing_and_runs_nothing_of_a_job(tmp_path: Path) -> None:
    """Names are text: in titles, legends, hover texts and the page's own title."""
    usage = job_usage("7", samples=sum_up(None, metric_rows()))
    figure = run_figure(usage, EVENTS, title=f"job 7 ({HOSTILE})", begin=None, end=None)
    assert figure is not None
    text = page_text(figure.title, [run_traces(figure), run_traces(figure)])
    assert "alert(1)</script>" not in text
    assert "<b>$" not in text
    assert "\x1b" not in text
    assert 'src="http' not in text
    assert text.count("plotly.js v") == 1, "the library is there once"
    assert "node2 GPU 3" in text
    assert zone_name(NOW) in text


def test_a_picture_of_hostile_names(tmp_path: Path) -> None:
    """A `$` begins no formula."""
    usage = job_usage("7", samples=sum_up(None, metric_rows()))
    figure = run_figure(usage, EVENTS, title=f"job 7 ({HOSTILE})", begin=None, end=None)
    assert figure is not None
    path = tmp_path / "run.png"
    write_picture(path, figure)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["run.html", "run.PNG"])
def test_a_run_is_drawn_into_the_file_that_was_named(tmp_path: Path, name: str) -> None:
    found = reading(tmp_path)
    (tmp_path / "project/.hpc-compose/7").mkdir(parents=True)
    events = tmp_path / "project/.hpc-compose/7/events.jsonl"
    events.write_text(json.dumps({"at": NOW, "event": "started", "service": "a"}) + "\n")
    draw_run(found, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 10_000
    assert figure_of(found).rows == ("a",)


def test_what_cannot_be_drawn_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="neither"):
        drawer_for(Path("run.pdf"))
    found = reading(tmp_path)
    empty = replace(found, usage=job_usage("7"))
    with pytest.raises(UsageError, match="no samples"):
        draw_run(empty, tmp_path / "run.png")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        draw_run(found, tmp_path / "none/run.png")
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(EnvironmentProblem) as missing:
        drawer_for(tmp_path / "run.html")
    assert "compose-core[plot]" in missing.value.remedy
