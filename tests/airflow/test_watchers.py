"""Triggers that wait for sweeps, and those that start DAGs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.openlineage import lineage_of
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport
from airflow_provider_hpccompose.triggers import sweeps, watchers
from airflow_provider_hpccompose.triggers.sweeps import HpcComposeSweepTrigger, HpcComposeSweepWatcher
from airflow_provider_hpccompose.triggers.watchers import HpcComposeJobWatcher
from compose_core.testing import FakeClock
from tests.airflow.fake_door import FakeDoor
from tests.airflow.virtual_time import ScriptedDoor, hub_at, run_virtually

pytestmark = pytest.mark.adapters


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time of loop and triggers."""
    clock = FakeClock()
    monkeypatch.setattr(sweeps, "CLOCK", clock)
    monkeypatch.setattr(watchers, "CLOCK", clock)
    return clock


class SweepDoor(ScriptedDoor):
    """A cluster whose newest sweep is as a test says."""

    tell: Callable[[], SweepReport]

    def sweep_state(self, handle: SweepHandle) -> SweepReport:
        return self.tell()


def sweep(sweep_id: str = "s1", /, **summary: int) -> SweepReport:
    """So many trials of each status."""
    return SweepReport(
        sweep_id=sweep_id, total=sum(summary.values()), is_over=not summary.get("running"), summary=summary
    )


def sweep_event(clock: FakeClock, tell: Callable[[], SweepReport], **arguments: Any) -> dict[str, Any]:
    """The one event of a trigger; it comes from its arguments alone."""
    made = HpcComposeSweepTrigger(hpccompose_conn_id="hpc", project_dir="/p", **arguments)
    again = HpcComposeSweepTrigger(**json.loads(json.dumps(made.serialize()[1])))
    door = SweepDoor()
    door.tell = tell

    async def fired() -> list[dict[str, Any]]:
        hub_at(door)
        return [event.payload async for event in again.run()]

    (event,) = run_virtually(clock, fired())
    return event


def test_a_sweep_trigger_fires_when_it_has_come_far_enough(clock: FakeClock) -> None:
    """With counts, not with a thousand trials."""
    began = clock.now()
    event = sweep_event(
        clock, lambda: sweep(completed=int((clock.now() - began) // 60), running=1), min_completed=3, poll_seconds=30.0
    )
    assert event["status"] == "done"
    assert (event["progress"]["completed"], "statuses" in event["progress"]) == (3, False)
    assert 180.0 <= clock.now() - began <= 220.0


@pytest.mark.parametrize(
    ("summary", "arguments", "status"),
    [
        ({"completed": 2, "failed": 1}, {"min_completed": 3}, "over"),
        ({"running": 3}, {"deadline": 100.0}, "timeout"),
    ],
)
def test_a_sweep_that_does_not_come_so_far_is_told_of(
    clock: FakeClock, summary: dict[str, int], arguments: dict[str, Any], status: str
) -> None:
    """Whatever ends the wait ends it once."""
    if "deadline" in arguments:
        arguments = {"deadline": clock.now() + arguments["deadline"]}
    assert sweep_event(clock, lambda: sweep(**summary), **arguments)["status"] == status


def test_a_silent_cluster_is_an_outage_of_the_sweeps_wait(clock: FakeClock) -> None:
    """And is asked less often meanwhile."""
    calls: list[float] = []

    def silent() -> SweepReport:
        calls.append(clock.now())
        raise OSError("no route to host")

    event = sweep_event(clock, silent, poll_seconds=60.0, outage_timeout=3600.0)
    assert event["status"] == "outage"
    assert "no route" in event["message"]
    assert len(calls) < 12


class Store:
    """What Airflow 3.3 keeps for an asset's watcher."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.kept.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = value


async def watched(trigger: Any, seconds: float) -> list[dict[str, Any]]:
    """What it fires in so much time."""
    events: list[dict[str, Any]] = []

    async def collect() -> None:
        async for event in trigger.run():
            events.append(event.payload)  # noqa: PERF401  (what came until the cancellation counts)

    task = asyncio.create_task(collect())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return events


def test_a_sweep_watcher_tells_of_every_sweep_once(clock: FakeClock) -> None:
    """Also after it was started again, when Airflow keeps its state; what was over before it began is old news without."""
    door, store, began = SweepDoor(), Store(), clock.now()

    def now() -> SweepReport:
        age = clock.now() - began
        if age < 100:
            return sweep("s1", completed=3)
        return sweep("s2", completed=3) if age > 300 else sweep("s2", running=3)

    door.tell = now

    async def twice(store: Store | None) -> list[list[str]]:
        hub_at(door)
        told = []
        for _ in range(2):
            trigger = HpcComposeSweepWatcher(hpccompose_conn_id="hpc", project_dir="/p", poll_seconds=30.0)
            trigger.asset_state_store = store
            told.append([event["sweep_id"] for event in await watched(trigger, 400.0)])
        return told

    assert run_virtually(clock, twice(store)) == [["s1", "s2"], []]
    began = clock.now()
    assert run_virtually(clock, twice(None)) == [["s2"], []]


def test_a_job_watcher_tells_of_jobs_with_its_labels_when_they_end_well(clock: FakeClock) -> None:
    """Jobs that another DAG submitted and did not wait for."""
    door = FakeDoor()

    def submit(task_id: str) -> JobHandle:
        labels = {"dag_id": "train", "task_id": task_id}
        handle = door.submit(SubmitRequest(key=f"af-{task_id}-g1-1", labels=labels))
        door.jobs[handle.key] = JobHandle(**{**handle.as_json(), "submitted_at": clock.now()})
        return handle

    jobs = {name: submit(name) for name in ("old", "good", "bad", "other")}
    door.set_state(jobs["old"], "COMPLETED", times={"ended": clock.now() - 60})

    async def watch() -> list[str]:
        hub_at(door)
        trigger = HpcComposeJobWatcher(hpccompose_conn_id="hpc", labels={"dag_id": "train"}, poll_seconds=30.0)
        watching = asyncio.create_task(watched(HpcComposeJobWatcher(**trigger.serialize()[1]), 300.0))
        await asyncio.sleep(50.0)
        door.set_state(jobs["good"], "COMPLETED", times={"ended": clock.now()})
        door.set_state(jobs["bad"], "FAILED", times={"ended": clock.now()})
        return [event["job_ref"]["job_id"] for event in await watching]

    assert run_virtually(clock, watch()) == [jobs["good"].job_id]


@pytest.mark.parametrize(("store", "told"), [(Store(), ["41"]), (None, [])], ids=["remembers", "forgets"])
def test_a_job_watcher_that_starts_again_tells_of_a_job_that_ended_meanwhile(
    clock: FakeClock, store: Store | None, told: list[str]
) -> None:
    """Also when the first watch ended before it had told of anything."""
    door = FakeDoor()
    job = door.submit(SubmitRequest(key="af-1-g1-1", labels={"dag_id": "train"}))
    door.jobs[job.key] = JobHandle(**{**job.as_json(), "submitted_at": clock.now(), "job_id": "41"})

    async def watch(for_s: float) -> list[str]:
        trigger = HpcComposeJobWatcher(hpccompose_conn_id="hpc", poll_seconds=30.0)
        trigger.asset_state_store = store
        return [event["job_ref"]["job_id"] for event in await watched(trigger, for_s)]

    async def twice() -> list[str]:
        hub_at(door)
        assert await watch(50.0) == []
        door.set_state(door.jobs[job.key], "COMPLETED", times={"ended": clock.now()})
        await asyncio.sleep(20.0)
        return await watch(100.0)

    assert run_virtually(clock, twice()) == told


def test_openlineage_gets_inputs_and_outputs_where_it_is_installed() -> None:
    """And nothing breaks where it is not."""
    result = {"cluster": "c1", "job_id": "41", "artifacts": {"ckpt": {"uri": "/p/ckpt"}}}
    lineage = lineage_of(result, compose_file="/p/compose.yaml")
    if find_spec("openlineage") is None:
        assert lineage is None
    else:
        assert [one.name for one in (*lineage.inputs, *lineage.outputs)] == ["/p/compose.yaml", "/p/ckpt"]


@pytest.mark.skipif(find_spec("openlineage") is None, reason="OpenLineage is missing")
def test_openlineage_is_told_of_a_failed_task_what_there_is() -> None:
    """The handle of its job, or that there was none; a task that told nothing at all would be warned of in its log."""
    failed = lineage_of({"cluster": None, "job_id": "41"}, compose_file="/p/compose.yaml")
    assert (failed.run_facets["externalQuery"].externalQueryId, failed.outputs) == ("41", [])
    nothing = lineage_of({})
    assert (nothing.inputs, nothing.outputs, nothing.run_facets) == ([], [], {})
