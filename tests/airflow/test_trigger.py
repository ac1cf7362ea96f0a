"""The trigger of a job, alone: from its arguments to its one event."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_hpccompose.doors import LogChunk
from airflow_provider_hpccompose.triggers import hpccompose as module
from airflow_provider_hpccompose.triggers import task_state as task_states
from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger
from compose_core.testing import FakeClock
from tests.airflow.virtual_time import ScriptedDoor, handle, hub_at, run_virtually

pytestmark = pytest.mark.adapters


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time of loop and trigger."""
    clock = FakeClock()
    monkeypatch.setattr(module, "CLOCK", clock)
    return clock


def trigger(**arguments: Any) -> HpcComposeTrigger:
    """One that waits for job 41."""
    return HpcComposeTrigger(hpccompose_conn_id="hpc", job_ref=handle().as_json(), **arguments)


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    """What Airflow's logger wrote, wherever it writes to in a test."""
    captured = capsys.readouterr()
    return captured.out + captured.err


async def events_of(door: ScriptedDoor, made: HpcComposeTrigger) -> list[dict[str, Any]]:
    """All that it fires before it returns."""
    hub_at(door)
    return [event.payload async for event in made.run()]


def test_its_arguments_are_plain_json_and_make_the_same_trigger(clock: FakeClock) -> None:
    """Airflow keeps them in a database and starts the trigger anywhere from them."""
    made = trigger(deadline=5.0, log_offsets={"web": 7}, log_services=["web"])
    path, arguments = made.serialize()
    assert path == "airflow_provider_hpccompose.triggers.hpccompose.HpcComposeTrigger"
    again = HpcComposeTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == made.serialize()


def test_it_fires_once_when_the_job_is_over(clock: FakeClock) -> None:
    """And returns at once: whatever still runs after an event counts as killed by a user."""
    door = ScriptedDoor()
    door.reports("PENDING", "RUNNING", "COMPLETED", seconds_each=40.0, clock=clock, exit_code=0)
    (event,) = run_virtually(clock, events_of(door, trigger()))
    assert event["status"] == "done"
    assert event["snapshot"]["state"] == "COMPLETED"
    assert event["job_ref"] == handle().as_json()
    assert json.loads(json.dumps(event)) == event


def test_a_job_that_is_over_already_waits_out_the_least_deferral(clock: FakeClock) -> None:
    """Airflow 3.3 may fail a task whose trigger fires right after the deferral."""
    door = ScriptedDoor()
    door.reports("COMPLETED", seconds_each=1.0, clock=clock)
    began = clock.now()
    run_virtually(clock, events_of(door, trigger(min_defer_seconds=10.0)))
    assert 10.0 <= clock.now() - began < 11.0


def test_a_trigger_that_starts_again_does_not_wait_a_second_time(clock: FakeClock) -> None:
    """The moment of the deferral travels with its arguments."""
    door = ScriptedDoor()
    door.reports("COMPLETED", seconds_each=1.0, clock=clock)
    made = trigger(min_defer_seconds=10.0)
    clock.advance(60.0)
    began = clock.now()
    run_virtually(clock, events_of(door, HpcComposeTrigger(**made.serialize()[1])))
    assert clock.now() - began <= 2.0


@pytest.mark.parametrize(
    ("state", "arguments", "expected"),
    [
        ("RUNNING", {"deadline": 120.0}, "timeout"),
        ("PENDING", {"queue_deadline": 120.0}, "queue_timeout"),
        ("LOST", {}, "lost"),
    ],
)
def test_its_limits_are_its_own(clock: FakeClock, state: str, arguments: dict[str, float], expected: str) -> None:
    """Nothing of Airflow ends the job of a deferred task."""
    door = ScriptedDoor()
    door.reports(state, seconds_each=1.0, clock=clock)
    absolute = {name: clock.now() + seconds for name, seconds in arguments.items()}
    (event,) = run_virtually(clock, events_of(door, trigger(**absolute)))
    assert event["status"] == expected
    assert not door.cancelled  # the operator does that, with the result in its log


def test_an_outage_ends_the_wait_and_leaves_the_job_alone(clock: FakeClock) -> None:
    """Whoever restarts the controller restarts it within the hour; the next try finds the job."""
    door = ScriptedDoor(error=OSError("connection refused"))
    began = clock.now()
    (event,) = run_virtually(clock, events_of(door, trigger(outage_timeout=3600.0)))
    assert event["status"] == "outage"
    assert "connection refused" in event["message"]
    assert 3600.0 <= clock.now() - began <= 3700.0
    assert not door.cancelled


def test_a_job_whose_records_were_removed_does_not_defer_for_ever(clock: FakeClock) -> None:
    """Nobody will ever know more of it."""
    door = ScriptedDoor()
    door.reports("RUNNING", "UNKNOWN", seconds_each=100.0, clock=clock, verdict="unknown", is_over=False)
    began = clock.monotonic()
    (event,) = run_virtually(clock, events_of(door, trigger()))
    assert event["status"] == "lost"
    assert clock.monotonic() - began < 800.0
    assert door.cancelled == []


def test_an_outage_that_ends_is_no_event(clock: FakeClock) -> None:
    """Two minutes without a controller are part of a cluster's life."""
    door = ScriptedDoor()
    door.reports("RUNNING", "UNREACHABLE", "UNREACHABLE", "COMPLETED", seconds_each=60.0, clock=clock)
    (event,) = run_virtually(clock, events_of(door, trigger()))
    assert event["status"] == "done"


def test_a_question_that_never_returns_is_an_outage(clock: FakeClock) -> None:
    """The trigger's own clock ends the wait."""

    class Stuck(ScriptedDoor):
        pass

    async def never(_lane: str, _call: object) -> None:
        await asyncio.Event().wait()

    async def wait() -> list[dict[str, Any]]:
        hub_at(Stuck())._lanes.run = never  # type: ignore[method-assign,assignment]
        return [event.payload async for event in trigger(outage_timeout=600.0).run()]

    (event,) = run_virtually(clock, wait())
    assert event["status"] == "outage"


def test_lines_of_the_services_reach_the_task_log_and_the_offsets_travel_on(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user sees what the job says while the task is deferred; the next leg goes on where this one ended."""

    def said(offsets: Mapping[str, int]) -> LogChunk:
        seen = offsets.get("web", 0)
        return LogChunk(lines=[{"service": "web", "text": f"line {seen}\x1b[2J"}], offsets={"web": seen + 1})

    door = ScriptedDoor(said=said)
    door.reports("RUNNING", "COMPLETED", seconds_each=20.0, clock=clock)
    (event,) = run_virtually(clock, events_of(door, trigger(log_offsets={"web": 5})))
    assert event["log_offsets"] == {"web": 7}
    assert re.findall(r"web \| line .(?:\[2J)?", logged(capsys)) == ["web | line 5[2J", "web | line 6[2J"]


def test_a_flood_of_lines_is_cut_and_said_so(clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Airflow keeps and shows every line of a task's log."""
    flood = LogChunk(lines=[{"service": "web", "text": "x"}] * 500, offsets={"web": 9}, skipped={"web": 1000})
    door = ScriptedDoor(said=lambda offsets: flood)
    door.reports("COMPLETED", seconds_each=20.0, clock=clock)
    run_virtually(clock, events_of(door, trigger()))
    said = logged(capsys)
    assert said.count("web | x") == 200
    assert "… 300 lines skipped" in said
    assert "1000 bytes skipped" in said


def test_logs_that_cannot_be_read_do_not_end_the_wait(clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """And are complained of once."""

    def fail(_offsets: Mapping[str, int]) -> LogChunk:
        raise OSError("stale file handle")

    door = ScriptedDoor(said=fail)
    door.reports("RUNNING", "RUNNING", "RUNNING", "COMPLETED", seconds_each=40.0, clock=clock)
    (event,) = run_virtually(clock, events_of(door, trigger()))
    assert event["status"] == "done"
    assert logged(capsys).count("stale file handle") == 1


class _TaskInstance:
    dag_id, task_id, run_id, map_index, try_number = "dag", "train", "run", -1, 1


@pytest.mark.parametrize(
    ("state", "cancels"),
    [
        ("failed", True), ("success", True), ("skipped", True), (None, True),
        ("deferred", False), ("queued", False), ("running", False), ("up_for_retry", False), ("scheduled", False),
    ],
)  # fmt: skip
def test_a_kill_cancels_only_a_job_that_its_task_has_let_go_of(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, state: str | None, cancels: bool
) -> None:
    """Airflow kills triggers also when they move to another triggerer; their jobs are healthy."""

    async def known(_task_instance: object) -> str | None:
        return state

    monkeypatch.setattr(module, "task_state", known)
    door, made = ScriptedDoor(), trigger()
    made.task_instance = _TaskInstance()

    async def kill() -> None:
        hub_at(door)
        await made.on_kill()

    run_virtually(clock, kill())
    assert door.cancelled == (["41"] if cancels else [])


def test_nothing_is_cancelled_when_the_tasks_state_cannot_be_found_out(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy job is worth more than an orphan, which the reaper ends."""

    async def unknown(_task_instance: object) -> str | None:
        raise OSError("API server is down")

    monkeypatch.setattr(module, "task_state", unknown)
    door, made = ScriptedDoor(), trigger()
    made.task_instance = _TaskInstance()

    async def kill() -> None:
        hub_at(door)
        await made.on_kill()

    run_virtually(clock, kill())
    assert door.cancelled == []


@pytest.mark.parametrize("has_on_kill", [True, False])
def test_before_airflow_3_3_the_end_of_a_trigger_decides(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, has_on_kill: bool
) -> None:
    """There nobody calls on_kill; from 3.3 on a restart of the triggerer must change nothing."""

    async def failed(_task_instance: object) -> str | None:
        return "failed"

    monkeypatch.setattr(module, "task_state", failed)
    monkeypatch.setattr(module, "AIRFLOW_V_3_3_PLUS", has_on_kill)
    door, made = ScriptedDoor(), trigger()
    made.task_instance = _TaskInstance()

    async def end() -> None:
        hub_at(door)
        await made.cleanup()

    run_virtually(clock, end())
    assert door.cancelled == ([] if has_on_kill else ["41"])


def test_airflow_is_asked_for_a_state_before_any_kill_needs_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question of a triggerer can take longer than `on_kill` has; once per loop is enough."""
    asked: list[object] = []

    async def known(task_instance: object) -> str | None:
        asked.append(task_instance)
        return "deferred"

    monkeypatch.setattr(task_states, "task_state", known)
    door = ScriptedDoor()
    door.reports("COMPLETED", seconds_each=1.0, clock=clock)

    async def wait_twice() -> None:
        hub_at(door)
        for _ in range(2):
            made = trigger()
            made.task_instance = _TaskInstance()
            async for _event in made.run():
                pass

    run_virtually(clock, wait_twice())
    assert len(asked) == 1


def test_a_trigger_that_has_fired_cancels_nothing(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task goes on with the event."""

    async def succeeded(_task_instance: object) -> str | None:
        return "success"

    monkeypatch.setattr(module, "task_state", succeeded)
    door, made = ScriptedDoor(), trigger()
    door.reports("COMPLETED", seconds_each=1.0, clock=clock)
    made.task_instance = _TaskInstance()

    async def fire_and_kill() -> None:
        hub_at(door)
        async for _event in made.run():
            await made.on_kill()

    run_virtually(clock, fire_and_kill())
    assert door.cancelled == []
