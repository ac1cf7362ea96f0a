"""An event loop whose time passes at once when nobody has anything to do, and doors that answer as a test says."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport, LogChunk, LogRequest
from airflow_provider_hpccompose.triggers._hub import Lanes, PollHub, install
from compose_core.testing import FakeClock

Answer = TypeVar("Answer")


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing: where a loop would sleep, the time goes on instead."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout:
            self._clock.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a `FakeClock`."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(_Skipping(clock))
        self._fake_clock = clock

    def time(self) -> float:
        return self._fake_clock.monotonic()


class InlineLanes(Lanes):
    """Calls run where they are made: virtual time and threads do not go together."""

    async def run(self, lane: str, call: Callable[[], Answer]) -> Answer:
        await asyncio.sleep(0)
        return call()


def handle(job_id: str = "41", **fields: Any) -> JobHandle:
    """A job of the key `af-0123456789abcdef-1`."""
    given: dict[str, Any] = {
        "conn_id": "hpc", "engine": "slurm", "job_id": job_id, "token": f"token-{job_id}", "key": "af-0123456789abcdef-1",
        "project_dir": "/project", **fields,
    }  # fmt: skip
    return JobHandle(**given)


def report(job: JobHandle | None = None, state: str = "RUNNING", **fields: Any) -> JobReport:
    """How a job is; what follows from the state is filled in."""
    job = job or handle()
    over = state in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL", "LOST")
    verdict = {"COMPLETED": "ok", "FAILED": "app_failed", "LOST": "unknown", "UNREACHABLE": "unreachable"}
    given: dict[str, Any] = {
        "job_id": job.job_id, "token": job.token, "state": state, "raw_state": state,
        "verdict": verdict.get(state, "active"), "is_active": not over, "is_running": state == "RUNNING", "is_over": over,
        **fields,
    }  # fmt: skip
    return JobReport(**given)


@dataclass
class ScriptedDoor:
    """A cluster as a test describes it; what it is asked is counted."""

    answer: Callable[[JobHandle], JobReport] = report
    looks: list[int] = field(default_factory=list)
    """How many jobs each question was about."""
    cancelled: list[str] = field(default_factory=list)
    log_questions: list[int] = field(default_factory=list)
    """How many jobs' logs each question was about."""
    said: Callable[[Mapping[str, int]], LogChunk] = lambda offsets: LogChunk()
    error: Exception | None = None
    """Raised instead of any answer."""
    described_by: tuple[object, ...] = ()
    """As of a door that a connection describes."""

    def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        self.looks.append(len(handles))
        if self.error is not None:
            raise self.error
        return [self.answer(one) for one in handles]

    def cancel(self, job: JobHandle, *, wait_s: float = 20.0) -> JobReport:
        self.cancelled.append(job.job_id)
        return report(job, "CANCELLED")

    def logs(
        self,
        job: JobHandle,
        offsets: Mapping[str, int],
        budget: int,
        *,
        services: Sequence[str] | None = None,
        is_last: bool = False,
    ) -> LogChunk:
        return self.said(offsets)

    def logs_of(self, requests: Sequence[LogRequest]) -> list[LogChunk]:
        self.log_questions.append(len(requests))
        return [self.logs(one.handle, one.offsets, one.budget, services=one.services) for one in requests]

    def reports(self, *states: str, seconds_each: float, clock: FakeClock, **fields: Any) -> None:
        """The states of every job in turn, each for so long; the last one stays."""
        began = clock.monotonic()

        def now(job: JobHandle) -> JobReport:
            step = min(int((clock.monotonic() - began) // seconds_each), len(states) - 1)
            return replace(report(job, states[step]), **fields)

        self.answer = now


def hub_at(door: Any, conn_id: str = "hpc") -> PollHub:
    """The hub of the running loop for this connection, in front of this door."""

    async def opened(_conn_id: str) -> Door:
        made: Door = door
        return made

    hub = PollHub(conn_id, opener=opened, lanes=InlineLanes(), jitter=lambda: 1.0)
    install(hub)
    return hub


def run_virtually(clock: FakeClock, work: Coroutine[Any, Any, Answer]) -> Answer:
    """The work's answer; all waiting costs virtual time only."""
    loop = VirtualLoop(clock)
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
