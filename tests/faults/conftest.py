"""In the full profile every test here is a `faults` test; at the end their figures are one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults import profile
from tests.faults.table import PROPERTY, Figure, Tell, added_up, as_lines
from tests.slurm.conftest import (  # noqa: F401  (the fixtures of the bench)
    nothing_left_running,
    shared_tmp,
    slurm_bench,
    slurm_bench_without_accounting,
    slurm_programs,
)

_HERE = Path(__file__).resolve().parent
KILL_POINTS = "SIGKILL of the client"
MOST_KILL_POINTS = 300


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Takes a figure to the table; what pytest has for that warns beside `--junit-xml`."""
    return lambda name, value: request.node.user_properties.append((name, value))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The mark, and one worker for all tests that share a cluster."""
    for item in items:
        if _HERE in item.path.parents:
            if profile.IS_FULL:
                item.add_marker(pytest.mark.faults)
            if item.get_closest_marker("slurm"):
                item.add_marker(pytest.mark.xdist_group("slurm"))
    items[:] = [item for item in items if not profile.is_left_out(getattr(item, "function", None))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, of what ran in this session or in its workers."""
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if getattr(report, "when", "") == "call"
    ]
    found = [
        Figure(**json.loads(value)) for report in reports for name, value in report.user_properties if name == PROPERTY
    ]
    if not found:
        return
    figures = added_up(sorted(found, key=lambda figure: figure.name))
    points = sum(figure.trials for figure in figures if figure.name.startswith(KILL_POINTS))
    terminalreporter.section(f"faults, {'full' if profile.IS_FULL else 'short'} profile")
    for line in as_lines(figures):
        terminalreporter.write_line(line)
    if points:
        terminalreporter.write_line(
            f"points at which a client was killed: {points} (goal of the full profile: {MOST_KILL_POINTS})"
        )
