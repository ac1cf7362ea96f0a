"""Triggers that wait for sweeps: one for a deferred task, one that starts DAGs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from airflow_provider_hpccompose.sweep_doors import SweepReport
from airflow_provider_hpccompose.sweep_progress import Enough, counts, sweep_report
from airflow_provider_hpccompose.triggers._hub import MAX_BACK_OFF, MIN_POLL_S, PollHub, hub_of
from compose_core import SystemClock

CLOCK = SystemClock()
_LAST_FIRED = "hpccompose_last_sweep"


class HpcComposeSweepTrigger(BaseTrigger):
    """Fires once, when a sweep has come far enough, is over without, or has used up the time.

    The event: `{"v": 1, "status": "done" | "over" | "timeout" | "outage", "progress", "message"}`.
    """

    def __init__(
        self,
        *,
        hpccompose_conn_id: str,
        project_dir: str,
        sweep_id: str | None = None,
        first: int = 0,
        count: int | None = None,
        min_completed: int | None = None,
        fraction: float | None = None,
        any_failed: bool = False,
        poll_seconds: float = 60.0,
        min_defer_seconds: float = 10.0,
        created_at: float | None = None,
        deadline: float | None = None,
        outage_timeout: float = 3600.0,
    ) -> None:
        """A wait for the sweep of this folder, or for `count` of its trials from the place `first` on.

        Times are epoch seconds, durations seconds.
        """
        super().__init__()
        self.hpccompose_conn_id = hpccompose_conn_id
        self.project_dir = project_dir
        self.sweep_id = sweep_id
        self.first = first
        self.count = count
        self.min_completed = min_completed
        self.fraction = fraction
        self.any_failed = any_failed
        self.poll_seconds = poll_seconds
        self.min_defer_seconds = min_defer_seconds
        self.created_at = created_at if created_at is not None else CLOCK.now()
        self.deadline = deadline
        self.outage_timeout = outage_timeout
        self._enough = Enough(min_completed=min_completed, fraction=fraction, any_failed=any_failed)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and every argument that it needs to be made again."""
        names = (
            "hpccompose_conn_id", "project_dir", "sweep_id", "first", "count", "min_completed", "fraction", "any_failed",
            "poll_seconds", "min_defer_seconds", "created_at", "deadline", "outage_timeout",
        )  # fmt: skip
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The one event."""
        sweep = SweepWatch(hub_of(self.hpccompose_conn_id), self.project_dir, self.sweep_id, self.poll_seconds)
        while True:
            progress = self._part(await sweep.look())
            status = self._status(progress, sweep)
            if status is not None:
                break
            await sweep.pause()
        await asyncio.sleep(max(0.0, self.created_at + self.min_defer_seconds - CLOCK.now()))
        part = self._part(sweep.known)
        known = counts(part) if part else None
        yield TriggerEvent({"v": 1, "status": status, "progress": known, "message": sweep.error})

    def _part(self, report: SweepReport | None) -> SweepReport | None:
        is_whole = self.first == 0 and self.count is None
        return report if report is None or is_whole else report.part(self.first, self.count)

    def _status(
        self, progress: SweepReport | None, sweep: SweepWatch
    ) -> Literal["done", "over", "timeout", "outage"] | None:
        if progress is not None and self._enough.is_reached(progress):
            return "done"
        if progress is not None and progress.is_over:
            return "over"
        if progress is None and sweep.silent_s >= self.outage_timeout:
            return "outage"
        return "timeout" if self.deadline is not None and CLOCK.now() >= self.deadline else None


class HpcComposeSweepWatcher(BaseEventTrigger):
    """Fires whenever a sweep of a folder is over: for an `AssetWatcher`, which then starts the DAGs of its asset.

    The event's payload is the sweep's progress. On Airflow 3.3 a sweep that ended while no triggerer ran is told of later; before,
    one that was over when the watcher started is not told of.
    """

    def __init__(
        self,
        *,
        hpccompose_conn_id: str,
        project_dir: str,
        sweep_id: str | None = None,
        poll_seconds: float = 60.0,
    ) -> None:
        """A watch of this sweep, or of the newest one of the folder."""
        super().__init__()
        self.hpccompose_conn_id = hpccompose_conn_id
        self.project_dir = project_dir
        self.sweep_id = sweep_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and every argument that it needs to be made again."""
        names = ("hpccompose_conn_id", "project_dir", "sweep_id", "poll_seconds")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """An event per sweep that ends, for as long as there is a triggerer."""
        sweep = SweepWatch(hub_of(self.hpccompose_conn_id), self.project_dir, self.sweep_id, self.poll_seconds)
        last, is_first = await self._last_fired(), True
        while True:
            progress = await sweep.look()
            if progress is not None:
                if progress.is_over and progress.sweep_id != last:
                    last = progress.sweep_id
                    if not is_first or self._keeps_state:
                        yield TriggerEvent(counts(progress))
                    await self._note_fired(last)
                is_first = False
            await sweep.pause()

    @property
    def _keeps_state(self) -> bool:
        return getattr(self, "asset_state_store", None) is not None

    async def _last_fired(self) -> str | None:
        if not self._keeps_state:
            return None
        value = await self.asset_state_store.aget(_LAST_FIRED)
        return None if value is None else str(value)

    async def _note_fired(self, sweep_id: str) -> None:
        if self._keeps_state:
            await self.asset_state_store.aset(_LAST_FIRED, sweep_id)


class SweepWatch:
    """Look after look at one sweep, slower while nobody answers."""

    def __init__(self, hub: PollHub, project_dir: str, sweep_id: str | None, poll_seconds: float) -> None:
        self.known: SweepReport | None = None
        """The last answer."""
        self.error = ""
        """Why the last look told nothing; empty: it did."""
        self._hub = hub
        self._project_dir = project_dir
        self._sweep_id = sweep_id
        self._poll_s = max(poll_seconds, MIN_POLL_S)
        self._failures = 0
        self._good_at = asyncio.get_running_loop().time()

    @property
    def silent_s(self) -> float:
        """Seconds since the last answer, or since the watch began."""
        return asyncio.get_running_loop().time() - self._good_at

    async def look(self) -> SweepReport | None:
        """How it is now; None: nobody says."""
        try:
            progress = await _shared_report(self._hub, self._project_dir, self._sweep_id, max_age_s=self._poll_s / 2)
        except Exception as error:  # noqa: BLE001  (whatever it is, the trials go on, and the next look may succeed)
            self.error, self._failures = f"{type(error).__name__}: {error}", self._failures + 1
            return None
        self.known = progress
        if progress.is_unreachable:
            self.error, self._failures = "the scheduler does not answer", self._failures + 1
            return None
        self.error, self._failures, self._good_at = "", 0, asyncio.get_running_loop().time()
        return progress

    async def pause(self) -> None:
        """Until the next look."""
        await asyncio.sleep(self._poll_s * min(2**self._failures, MAX_BACK_OFF))


@dataclass(slots=True)
class _SharedLook:
    """The last look at a sweep, for all triggers of the loop that wait for parts of it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = float("-inf")
    report: SweepReport | None = None


_SHARED: WeakKeyDictionary[PollHub, dict[tuple[str, str | None], _SharedLook]] = WeakKeyDictionary()


async def _shared_report(hub: PollHub, project_dir: str, sweep_id: str | None, *, max_age_s: float) -> SweepReport:
    """How the sweep is, asked once for however many wait for it; a look that failed is nobody else's answer."""
    look = _SHARED.setdefault(hub, {}).setdefault((project_dir, sweep_id), _SharedLook())
    async with look.lock:
        now = asyncio.get_running_loop().time()
        if look.report is None or now - look.at >= max_age_s:
            look.report = await hub.read(lambda door: sweep_report(door, project_dir, sweep_id))
            look.at = now
        report = look.report
    if report.is_over:
        _SHARED[hub].pop((project_dir, sweep_id), None)
    return report
