"""Sweeps through the door of this machine, on its own engine."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from airflow_provider_hpccompose.doors import LocalDoor
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport, SweepRequest
from compose_core import SystemClock

pytestmark = pytest.mark.adapters
CLOCK = SystemClock()

SWEEP = """
    name: tiny
    runtime: {backend: host}
    sweep:
      parameters: {lr: [3, 1, 2]}
      objective: {direction: minimize, metric: loss}
    services:
      train:
        environment: {LR: "${lr}"}
        script: |
          printf '{"name": "loss", "value": %s}\\n' "$LR" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"
"""


@pytest.fixture
def door(tmp_path: Path) -> LocalDoor:
    """A workspace with a sweep's file."""
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "sweep.yaml").write_text(dedent(SWEEP))
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    return LocalDoor(workspace, engine="local", environment={**os.environ, **home}, conn_id="here")


def finished(door: LocalDoor, handle: SweepHandle, *, within_s: float = 60) -> SweepReport:
    """How the sweep is when nothing runs any more."""
    deadline = CLOCK.monotonic() + within_s
    while not (report := door.sweep_state(handle)).is_over:
        assert CLOCK.monotonic() < deadline, report.text()
        CLOCK.sleep(0.2)
    return report


def test_a_sweep_is_submitted_once_watched_and_ranked(door: LocalDoor) -> None:
    """The whole way, with real jobs; what goes through XCom is plain JSON."""
    request = SweepRequest(key="af-0123456789abcdef-1", compose_file="sweep.yaml")
    handle = door.submit_sweep(request)
    assert (handle.conn_id, handle.trials, handle.attached) == ("here", 3, False)
    again = door.submit_sweep(request)
    assert (again.sweep_id, again.jobs, again.attached) == (handle.sweep_id, handle.jobs, True)
    report = finished(door, SweepHandle.from_json(handle.as_json()))
    assert (report.completed, report.failed, report.text()) == (3, 0, "3 completed of 3")
    table = door.sweep_results(handle, dest="tables")
    assert table.best is not None
    assert (table.best["variables"], table.best["objective"]) == ({"lr": "1"}, 1.0)
    assert [one["mean"] for one in table.ranking] == [1.0, 2.0, 3.0]
    assert [Path(one["path"]).is_file() for one in table.files] == [True, True]
    assert door.stop_sweep(handle) is False


def test_a_sweep_that_is_ended_is_over_with_its_trials(door: LocalDoor) -> None:
    """By its handle, or by the keys that it may have been submitted under."""
    (door.workspace / "long.yaml").write_text(
        'runtime: {backend: host}\nsweep: {parameters: {n: [60, 61]}}\nservices: {wait: {command: [sleep, "${n}"]}}\n'
    )
    request = SweepRequest(key="af-long-1", compose_file="long.yaml")
    handle = door.submit_sweep(request)
    assert door.stop_sweeps_of(["af-long-0", "af-long-1"], reason="teardown") == [handle.sweep_id]
    report = finished(door, handle)
    assert (report.failed, report.stop_reason) == (2, "teardown")


def test_a_part_of_a_sweep_has_its_own_counts() -> None:
    """A task that watches a part is over when the part is."""
    statuses = ["completed", "failed", "running", "pending"]
    faults = [{"trial_id": "t001", "index": 1, "status": "failed", "detail": ""}]
    whole = SweepReport(sweep_id="s", total=4, is_over=False, statuses=statuses, faults=faults)
    first, last = whole.part(0, 2), whole.part(2, None)
    assert (first.is_over, first.completed, first.failed, len(first.faults)) == (True, 1, 1, 1)
    assert (last.is_over, last.completed, last.failed, len(last.faults)) == (False, 0, 0, 0)
    assert first.text() == "1 completed, 1 failed of 2"
