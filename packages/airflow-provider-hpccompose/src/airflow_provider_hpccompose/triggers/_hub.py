"""One look per interval for all jobs of a connection, however many triggers wait for them.

A hub belongs to one event loop and one connection. It runs while somebody watches, asks `Door.observe` once per tick for all jobs
together, and hands every watcher the newest look at its job. A watcher that comes late gets the last look at once. Nothing is queued:
a new look replaces one that was not taken, because only the present state of a job matters.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_hpccompose.triggers._log_reads import LogReads

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport, LogChunk, LogRequest

MIN_POLL_S = 5.0
"""No scheduler is asked more often than this, whatever a task asks for."""
MIN_LOCAL_POLL_S = 1.0
"""The same for the embedded engine, which is this machine itself."""
GATHER_S = 1.0
"""How long a hub waits before its first look, so that triggers that start together share it."""
TOLD_AT_ONCE = 50
"""After so many watchers the loop gets to serve others: each of them acts on what it is told."""
MAX_BACK_OFF = 16
"""So many intervals lie at most between two looks when the cluster does not answer."""
JITTER = 0.1
REOPEN_S = 300.0
"""So often the connection is read again: it may be edited while tasks are deferred."""

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
JobKey = tuple[str, str]
"""A job is its id and its token: clusters use ids again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one job."""

    report: JobReport | None
    """The newest answer; None: there has been none yet."""
    good_at: float
    """When the cluster last answered, or when the watch began, on the loop's clock."""
    error: str = ""
    """Why the last look told nothing; empty: it did."""


@dataclass(slots=True, eq=False)
class Watcher:
    """Somebody who waits for news of one job."""

    handle: JobHandle
    poll_s: float
    since: float
    newest: asyncio.Queue[Look] = field(default_factory=lambda: asyncio.Queue(maxsize=1))

    def tell(self, look: Look) -> None:
        """Put this look in the place of one that was not taken."""
        with suppress(asyncio.QueueEmpty):
            self.newest.get_nowait()
        self.newest.put_nowait(look)

    async def next(self, within_s: float | None = None) -> Look | None:
        """The next look; None: there was none within the time."""
        try:
            return await asyncio.wait_for(self.newest.get(), within_s)
        except TimeoutError:
            return None


class Lanes:
    """Threads for the calls that block: looks, ends and reads have their own, so that none waits for another kind."""

    def __init__(self) -> None:
        self._pools: dict[str, Executor] = {
            lane: ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"hpccompose-{lane}")
            for lane, threads in (("look", 1), ("end", 2), ("read", 2))
        }

    async def run(self, lane: str, call: Callable[[], Answer]) -> Answer:
        """The call's answer, with the caller's context variables as `asyncio.to_thread` gives them."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pools[lane], context.run, call)

    def close(self) -> None:
        """Threads that are idle end; nothing is waited for."""
        for pool in self._pools.values():
            pool.shutdown(wait=False)


async def open_door(conn_id: str) -> Door:
    """The door of a connection, without a synchronous call to Airflow: the hub's task must not make one."""
    from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook

    return await HpcComposeHook(conn_id).aget_door()


class PollHub:
    """What is known of all jobs that are watched through one connection in one event loop."""

    def __init__(
        self,
        conn_id: str,
        *,
        opener: Callable[[str], Awaitable[Door]] = open_door,
        lanes: Lanes | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(1 - JITTER, 1 + JITTER),  # noqa: S311 (spreads load)
    ) -> None:
        self.conn_id = conn_id
        self._opener = opener
        self._lanes = lanes or Lanes()
        self._jitter = jitter
        self._watchers: dict[JobKey, set[Watcher]] = {}
        self._looks: dict[JobKey, Look] = {}
        self._door: Door | None = None
        self._opened_at = 0.0
        self._opening = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._log_reads = LogReads(self.read)
        self._failures = 0
        self._last_tick: float | None = None

    @contextmanager
    def watching(self, handle: JobHandle, poll_s: float) -> Iterator[Watcher]:
        """A watcher of this job; the hub runs as long as there is any."""
        watcher = Watcher(handle=handle, poll_s=poll_s, since=_loop_time())
        self._watchers.setdefault(_key(handle), set()).add(watcher)
        known = self._looks.get(_key(handle))
        if known is not None:
            watcher.tell(known)
        self._start()
        try:
            yield watcher
        finally:
            self._leave(watcher)

    async def cancel(self, handle: JobHandle) -> None:
        """End the job of this handle and no other."""
        door = await self.door()
        await self._lanes.run("end", lambda: door.cancel(handle))

    async def read(self, call: Callable[[Door], Answer]) -> Answer:
        """The answer of a call that reads something: a log, the state of a sweep."""
        door = await self.door()
        return await self._lanes.run("read", lambda: call(door))

    async def logs(self, request: LogRequest) -> LogChunk:
        """What services of a job said; asked together with whoever else asks now."""
        return await self._log_reads.chunk(request)

    async def door(self) -> Door:
        """The connection's door, opened once."""
        async with self._opening:
            if self._door is None:
                self._door = await self._opener(self.conn_id)
                self._opened_at = _loop_time()
            return self._door

    async def _follow_connection(self) -> None:
        """A new door where the connection says something else than it did; what cannot be read leaves the one that there is."""
        if self._door is None or _loop_time() - self._opened_at < REOPEN_S:
            return
        self._opened_at = _loop_time()
        try:
            door = await self._opener(self.conn_id)
        except Exception as error:  # noqa: BLE001  (the API server may be away, or the connection be deleted)
            log.warning("Connection %s cannot be read again: %s", self.conn_id, error)
            return
        if getattr(door, "described_by", None) != getattr(self._door, "described_by", None):
            log.info("Connection %s was changed.", self.conn_id)
            self._door = door

    def close(self) -> None:
        """Let its threads end; its loop is gone."""
        self._lanes.close()

    @property
    def interval_s(self) -> float:
        """Seconds from one look to the next: as the most impatient watcher asks, longer while nobody answers."""
        watchers = (watcher for group in self._watchers.values() for watcher in group)
        wanted = min(map(_allowed_poll_s, watchers), default=MIN_POLL_S)
        back_off: int = min(2**self._failures, MAX_BACK_OFF)
        return wanted * back_off

    def _start(self) -> None:
        if self._task is None or self._task.done():
            # A fresh context: the log lines of the hub are not those of the trigger that happened to start it.
            self._task = asyncio.get_running_loop().create_task(
                self._look_again_and_again(), name=f"hpccompose-hub-{self.conn_id}", context=contextvars.Context()
            )

    def _leave(self, watcher: Watcher) -> None:
        key = _key(watcher.handle)
        self._watchers[key].discard(watcher)
        if not self._watchers[key]:
            del self._watchers[key]
            self._looks.pop(key, None)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look_again_and_again(self) -> None:
        await asyncio.sleep(self._first_wait_s())
        while self._watchers:
            self._last_tick = _loop_time()
            await self._look()
            await asyncio.sleep(self.interval_s * self._jitter())

    def _first_wait_s(self) -> float:
        """A hub that ended a moment ago does not begin to ask more often by ending and starting."""
        if self._last_tick is None:
            return GATHER_S
        return max(GATHER_S, self._last_tick + self.interval_s - _loop_time())

    async def _look(self) -> None:
        """One question for all jobs; whatever goes wrong is told to the watchers, who know how long they can wait."""
        handles = [next(iter(group)).handle for group in self._watchers.values()]
        try:
            await self._follow_connection()
            door = await self.door()
            reports = await self._lanes.run("look", lambda: door.observe(handles))
            news = dict(zip(map(_key, handles), reports, strict=True))
        except Exception as error:  # noqa: BLE001  (whatever it is, jobs go on, and the next look may succeed)
            await self._failed(f"{type(error).__name__}: {error}")
            return
        await self._told(news)

    async def _told(self, news: Mapping[JobKey, JobReport]) -> None:
        unreachable = [report for report in news.values() if report.verdict == "unreachable"]
        self._failures = self._failures + 1 if unreachable and len(unreachable) == len(news) else 0
        now = _loop_time()
        for number, (key, report) in enumerate(news.items()):
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
            if report.verdict == "unreachable":
                self._publish(key, report=None, good_at=None, error=report.reason or "the scheduler does not answer")
            else:
                self._publish(key, report=report, good_at=now, error="")

    async def _failed(self, error: str) -> None:
        self._failures += 1
        log.warning(
            "Connection %s: no look at its jobs (%s failures in a row): %s", self.conn_id, self._failures, error
        )
        for number, key in enumerate(list(self._watchers)):
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
            self._publish(key, report=None, good_at=None, error=error)

    def _publish(self, key: JobKey, *, report: JobReport | None, good_at: float | None, error: str) -> None:
        """A look that told nothing keeps what the last good one told."""
        watchers = self._watchers.get(key)
        if not watchers:
            return  # they left while the cluster was asked
        known = self._looks.get(key) or Look(report=None, good_at=min(watcher.since for watcher in watchers))
        look = Look(
            report=report if report is not None else known.report,
            good_at=good_at if good_at is not None else known.good_at,
            error=error,
        )
        self._looks[key] = look
        for watcher in watchers:
            watcher.tell(look)


_HUBS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, PollHub]] = WeakKeyDictionary()
"""`airflow dags test` runs every trigger in a loop of its own, so one hub per process would wait on a loop that is gone."""


def hub_of(conn_id: str) -> PollHub:
    """The hub of this connection in the running event loop."""
    _forget_closed_loops()
    hubs = _HUBS.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in hubs:
        hubs[conn_id] = PollHub(conn_id)
    return hubs[conn_id]


def install(hub: PollHub) -> None:
    """Make this the hub of its connection in the running event loop."""
    _HUBS.setdefault(asyncio.get_running_loop(), {})[hub.conn_id] = hub


def _forget_closed_loops() -> None:
    for loop in [loop for loop in _HUBS if loop.is_closed()]:
        for hub in _HUBS.pop(loop).values():
            hub.close()


def _key(handle: JobHandle) -> JobKey:
    return (handle.job_id, handle.token)


def _allowed_poll_s(watcher: Watcher) -> float:
    least = MIN_LOCAL_POLL_S if watcher.handle.engine == "local" else MIN_POLL_S
    return max(watcher.poll_s, least)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
