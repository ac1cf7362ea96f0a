"""Triggers that wait for parts of one sweep."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from airflow_provider_hpccompose.doors import Door
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport
from airflow_provider_hpccompose.triggers import sweeps as module
from airflow_provider_hpccompose.triggers.sweeps import HpcComposeSweepTrigger
from compose_core.testing import FakeClock
from tests.airflow.virtual_time import hub_at, run_virtually

pytestmark = pytest.mark.adapters


class GrowingDoor:
    """A sweep of which one more trial has ended well at every look."""

    conn_id = "hpc"

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.looks = 0

    def sweep_state(self, handle: SweepHandle) -> SweepReport:
        self.looks += 1
        done = min(self.looks, self.trials)
        statuses = ["completed"] * done + ["running"] * (self.trials - done)
        return SweepReport(sweep_id=handle.sweep_id, total=self.trials, is_over=done == self.trials, statuses=statuses)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time of loop and triggers."""
    clock = FakeClock()
    monkeypatch.setattr(module, "CLOCK", clock)
    return clock


async def parts_of(door: GrowingDoor, count: int) -> list[dict[str, Any]]:
    """The events of triggers that wait for so many trials each, side by side."""
    hub_at(cast("Door", door))

    async def one(first: int) -> dict[str, Any]:
        made = HpcComposeSweepTrigger(
            hpccompose_conn_id="hpc", project_dir="/p", sweep_id="s", first=first, count=count, poll_seconds=60
        )
        (event,) = [event.payload async for event in made.run()]
        assert isinstance(event, dict)
        return event

    return list(await asyncio.gather(*(one(first) for first in range(0, door.trials, count))))


def test_parts_of_a_sweep_share_their_looks(clock: FakeClock) -> None:
    """Ten waiting tasks cost the scheduler what one does."""
    door = GrowingDoor(trials=20)
    events = run_virtually(clock, parts_of(door, 2))
    assert [event["progress"]["completed"] for event in events] == [2] * 10
    assert {event["status"] for event in events} <= {"done", "over"}
    assert door.looks <= 22


def test_a_part_is_in_the_arguments_that_a_trigger_is_made_again_from() -> None:
    """It may move to another triggerer."""
    made = HpcComposeSweepTrigger(hpccompose_conn_id="hpc", project_dir="/p", sweep_id="s", first=64, count=8)
    path, arguments = made.serialize()
    assert path.endswith("HpcComposeSweepTrigger")
    assert HpcComposeSweepTrigger(**arguments).serialize() == made.serialize()
    assert (arguments["first"], arguments["count"]) == (64, 8)
