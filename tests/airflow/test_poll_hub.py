"""One look per interval for all jobs of a connection."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Sequence
from typing import cast

import pytest

from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport, LogChunk, LogRequest
from airflow_provider_hpccompose.triggers._hub import REOPEN_S, PollHub, hub_of
from compose_core.testing import FakeClock
from tests.airflow.virtual_time import InlineLanes, ScriptedDoor, handle, hub_at, report, run_virtually

pytestmark = pytest.mark.adapters


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes when everybody waits."""
    return FakeClock()


def test_a_thousand_watchers_cost_one_question_per_interval(clock: FakeClock) -> None:
    """The scheduler is shared by the whole cluster."""
    door = ScriptedDoor()

    async def watch(hub: PollHub, number: int) -> None:
        with hub.watching(handle(str(number)), 30.0) as watcher:
            for _ in range(3):
                assert await watcher.next() is not None

    async def all_of_them() -> None:
        hub = hub_at(door)
        await asyncio.gather(*(watch(hub, number) for number in range(1000)))

    run_virtually(clock, all_of_them())
    assert door.looks == [1000, 1000, 1000]


def test_who_comes_late_to_a_watched_job_gets_the_last_look_at_once(clock: FakeClock) -> None:
    """A state is told, not a change: whoever comes later has missed nothing."""
    door = ScriptedDoor()

    async def come_late() -> float:
        hub = hub_at(door)
        with hub.watching(handle(), 30.0) as first:
            await first.next()
            before = clock.monotonic()
            with hub.watching(handle(), 30.0) as second:
                look = await second.next()
                assert look is not None
                assert look.report == report()
            return clock.monotonic() - before

    assert run_virtually(clock, come_late()) == 0.0
    assert door.looks == [1]


def test_the_newest_look_replaces_one_that_was_not_taken(clock: FakeClock) -> None:
    """Only the present state matters."""
    door = ScriptedDoor()
    door.reports("PENDING", "RUNNING", "COMPLETED", seconds_each=30.0, clock=clock)

    async def sleep_long() -> str:
        hub = hub_at(door)
        with hub.watching(handle(), 30.0) as watcher:
            await asyncio.sleep(100.0)
            look = await watcher.next()
            assert look is not None
            assert look.report is not None
            return look.report.state

    assert run_virtually(clock, sleep_long()) == "COMPLETED"


@pytest.mark.parametrize(("then", "asked"), [("moved", [2, 1]), ("same", [3]), ("unreadable", [3])])
def test_a_connection_that_is_edited_counts_for_tasks_that_wait_already(
    clock: FakeClock, then: str, asked: list[int]
) -> None:
    """The triggerer runs for months; what cannot be read leaves the door as it is."""
    doors = [ScriptedDoor(), ScriptedDoor()]
    doors[0].described_by = doors[1].described_by = ("here",)
    opened: list[str] = []

    async def opener(conn_id: str) -> Door:
        opened.append(conn_id)
        if len(opened) == 1:
            return cast("Door", doors[0])
        if then == "unreadable":
            raise OSError("the API server is away")
        doors[1].described_by = ("there" if then == "moved" else "here",)
        return cast("Door", doors[1])

    async def watch() -> None:
        hub = PollHub("hpc", opener=opener, lanes=InlineLanes(), jitter=lambda: 1.0)
        with hub.watching(handle(), REOPEN_S - 10.0) as watcher:
            for _ in range(3):
                await watcher.next()

    run_virtually(clock, watch())
    assert [len(door.looks) for door in doors if door.looks] == asked
    assert len(opened) == 2


def test_it_stops_with_its_last_watcher_and_does_not_ask_sooner_when_it_starts_again(clock: FakeClock) -> None:
    """Many short waits, one after the other, must not become many questions."""
    door = ScriptedDoor()

    async def short_waits() -> None:
        hub = hub_at(door)
        for _ in range(4):
            with hub.watching(handle(), 30.0) as watcher:
                await watcher.next()
        questions = len(door.looks)
        await asyncio.sleep(600.0)
        assert len(door.looks) == questions

    began = clock.monotonic()
    run_virtually(clock, short_waits())
    assert len(door.looks) == 4
    assert clock.monotonic() - began - 600.0 >= 90.0


def test_failures_slow_it_down_and_a_success_restores_its_pace(clock: FakeClock) -> None:
    """A controller that is down is not hammered."""
    door = ScriptedDoor(error=OSError("no route to host"))
    at: list[float] = []

    async def outage() -> None:
        hub = hub_at(door)
        with hub.watching(handle(), 30.0) as watcher:
            for _ in range(7):
                look = await watcher.next()
                assert look is not None
                assert look.report is None
                assert "no route to host" in look.error
                at.append(clock.monotonic())
            door.error = None
            look = await watcher.next()
            assert look is not None
            assert not look.error
            at.append(clock.monotonic())
            await watcher.next()
            at.append(clock.monotonic())

    run_virtually(clock, outage())
    assert [round(later - earlier) for earlier, later in itertools.pairwise(at)] == [
        60, 120, 240, 480, 480, 480, 480, 30,
    ]  # fmt: skip


def test_a_scheduler_that_does_not_answer_keeps_what_was_known(clock: FakeClock) -> None:
    """`unreachable` is an answer of the door; it is never taken for a state of the job."""
    door = ScriptedDoor()
    door.reports("RUNNING", "UNREACHABLE", seconds_each=10.0, clock=clock)

    async def lose_it() -> None:
        hub = hub_at(door)
        with hub.watching(handle(), 30.0) as watcher:
            await watcher.next()
            good_at = asyncio.get_running_loop().time()
            look = await watcher.next()
            assert look is not None
            assert look.report is not None
            assert (look.report.state, look.good_at) == ("RUNNING", good_at)
            assert look.error

    run_virtually(clock, lose_it())


def test_nobody_makes_it_ask_more_often_than_every_five_seconds(clock: FakeClock) -> None:
    """The embedded engine is this machine alone, so there a second will do."""

    async def interval(engine: str) -> float:
        hub = hub_at(ScriptedDoor())
        with hub.watching(handle(engine=engine), 0.01):
            return hub.interval_s

    assert run_virtually(clock, interval("slurm")) == 5.0
    assert run_virtually(clock, interval("local")) == 1.0


def test_it_runs_in_a_context_of_its_own(clock: FakeClock) -> None:
    """Else its log lines went to the task whose trigger happened to start it."""
    whose = contextvars.ContextVar("whose", default="nobody's")
    seen: list[str] = []

    class Asked(ScriptedDoor):
        def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
            seen.append(whose.get())
            return super().observe(handles)

    async def start_it() -> None:
        whose.set("the first trigger's")
        hub = hub_at(Asked())
        with hub.watching(handle(), 30.0) as watcher:
            await watcher.next()

    run_virtually(clock, start_it())
    assert seen == ["nobody's"]


def test_every_loop_has_hubs_of_its_own(clock: FakeClock) -> None:
    """`airflow dags test` runs each trigger in a new loop."""

    async def mine() -> PollHub:
        assert hub_of("hpc") is hub_of("hpc")
        assert hub_of("hpc") is not hub_of("other")
        return hub_of("hpc")

    assert run_virtually(clock, mine()) is not run_virtually(clock, mine())


def test_the_logs_of_all_jobs_of_a_look_are_read_by_one_question(clock: FakeClock) -> None:
    """Over ssh each question is a program that starts on the login node."""
    door = ScriptedDoor(said=lambda offsets: LogChunk(lines=[{"service": "app", "text": "x"}], offsets={"app": 1}))

    async def read_all() -> list[LogChunk]:
        hub = hub_at(door)
        return await asyncio.gather(*(hub.logs(LogRequest(handle=handle(str(number)))) for number in range(250)))

    chunks = run_virtually(clock, read_all())
    assert door.log_questions == [100, 100, 50]
    assert [chunk.offsets for chunk in chunks] == [{"app": 1}] * 250


def test_whoever_stops_waiting_for_a_log_keeps_no_other_from_it(clock: FakeClock) -> None:
    """And an error is told to all of them; the next question is a new one."""
    door = ScriptedDoor()

    async def read() -> tuple[object, ...]:
        hub = hub_at(door)
        gone = asyncio.ensure_future(hub.logs(LogRequest(handle=handle("1"))))
        other = asyncio.ensure_future(hub.logs(LogRequest(handle=handle("2"))))
        await asyncio.sleep(0)
        gone.cancel()
        first = await other

        def broken(offsets: object) -> LogChunk:
            raise OSError("gone")

        door.said = broken
        failed = await asyncio.gather(hub.logs(LogRequest(handle=handle("2"))), return_exceptions=True)
        return first, repr(failed[0])

    assert run_virtually(clock, read()) == (LogChunk(), "OSError('gone')")
    assert door.log_questions == [1, 1]
