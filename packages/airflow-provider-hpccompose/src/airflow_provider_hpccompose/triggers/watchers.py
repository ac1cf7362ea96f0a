"""A trigger that starts DAGs when jobs end which other DAGs submitted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_hpccompose.finding import find_known
from airflow_provider_hpccompose.triggers._hub import MAX_BACK_OFF, MIN_POLL_S, hub_of
from compose_core import SystemClock

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, JobHandle, JobReport

CLOCK = SystemClock()
OLDEST_S = 30 * 86400.0
"""Jobs that were submitted longer ago are not looked at."""
_WATCHED_SINCE = "hpccompose_watched_since"


class HpcComposeJobWatcher(BaseEventTrigger):
    """Fires for every job that ends: for an `AssetWatcher`, which then starts the DAGs of its asset.

    The event's payload: `{"v": 1, "job_ref", "snapshot", "labels"}`.
    """

    def __init__(
        self,
        *,
        hpccompose_conn_id: str,
        labels: Mapping[str, str] | None = None,
        verdicts: Sequence[str] = ("ok",),
        poll_seconds: float = 60.0,
    ) -> None:
        """A watch of the jobs with these labels (`dag_id`, `task_id`, `run_id`, `map_index`); none: of all of the workspace."""
        super().__init__()
        self.hpccompose_conn_id = hpccompose_conn_id
        self.labels = dict(labels or {})
        self.verdicts = list(verdicts)
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and every argument that it needs to be made again."""
        names = ("hpccompose_conn_id", "labels", "verdicts", "poll_seconds")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """An event per job that ends, for as long as there is a triggerer."""
        hub, failures = hub_of(self.hpccompose_conn_id), 0
        since, over = await self._watched_since(), set[str]()
        while True:
            try:
                ended = await hub.read(lambda door: ended_jobs(door, self.labels, CLOCK.now() - OLDEST_S, over))
            except Exception as error:  # noqa: BLE001  (whatever it is, the next look may succeed)
                failures += 1
                self.log.warning("No look at the jobs of %s: %s", self.hpccompose_conn_id, error)
            else:
                failures = 0
                for handle, report, labels in ended:
                    over.add(handle.token)
                    if report.verdict in self.verdicts and (report.times.get("ended") or 0.0) >= since:
                        yield TriggerEvent(
                            {"v": 1, "job_ref": handle.as_json(), "snapshot": report.as_json(), "labels": dict(labels)}
                        )
                await self._note(ended)
            await asyncio.sleep(max(self.poll_seconds, MIN_POLL_S) * min(2**failures, MAX_BACK_OFF))

    async def _watched_since(self) -> float:
        """What ended earlier was told of, or is none of this watch's business; kept at once: whoever goes on begins there."""
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return CLOCK.now()
        known = await store.aget(_WATCHED_SINCE)
        if known is None:
            await store.aset(_WATCHED_SINCE, known := CLOCK.now())
        return float(known)

    async def _note(self, ended: Sequence[tuple[JobHandle, JobReport, Mapping[str, str]]]) -> None:
        """The newest end that was told of: a watch that starts again goes on after it."""
        store = getattr(self, "asset_state_store", None)
        times = [report.times.get("ended") or 0.0 for _handle, report, _labels in ended]
        if store is not None and times:
            await store.aset(_WATCHED_SINCE, max(times) + 0.001)


def ended_jobs(
    door: Door, labels: Mapping[str, str], since: float, known: set[str]
) -> list[tuple[JobHandle, JobReport, Mapping[str, str]]]:
    """The jobs with these labels that are over and not known to be, with all their labels; one question to the scheduler."""
    entries = {
        entry.key: entry.labels
        for entry in door.keys("", since)
        if all(entry.labels.get(name) == value for name, value in labels.items())
    }
    found = find_known(door, list(entries))
    waiting = [(key, handle) for key, handle in found.items() if handle.token not in known]
    reports = door.observe([handle for _key, handle in waiting]) if waiting else []
    return [
        (handle, report, entries[key])
        for (key, handle), report in zip(waiting, reports, strict=True)
        if report.is_over and report.verdict != "unknown"
    ]
