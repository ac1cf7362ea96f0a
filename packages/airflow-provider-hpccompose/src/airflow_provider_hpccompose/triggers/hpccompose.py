"""The trigger that waits for a job: it can be started again anywhere from its arguments alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_hpccompose.doors import JobHandle, JobReport, LogRequest
from airflow_provider_hpccompose.failures import FATAL_PENDING_REASONS
from airflow_provider_hpccompose.log_stream import BYTES_PER_LOOK, LogStream
from airflow_provider_hpccompose.triggers._hub import Look, PollHub, Watcher, hub_of
from airflow_provider_hpccompose.triggers.task_state import ask_ahead, has_left_its_task, task_state
from airflow_provider_hpccompose.triggers.waiting import Ignorance, Status, Terms, outcome
from airflow_provider_hpccompose.version_compat import AIRFLOW_V_3_3_PLUS
from compose_core import SystemClock

CANCEL_WITHIN_S = 20.0
"""Airflow gives `on_kill` 30 s."""
READ_WITHIN_S = 15.0
"""A log that takes longer is read with the next look."""
DEFAULT_POLL_S = 30.0
MIN_DEFER_S = 10.0
"""An event that comes right after the deferral can make Airflow 3.3 take the task for failed."""
_HANGS_S = 60.0
"""So much later than expected a look means that the cluster is silent, though nobody has said so yet."""
CLOCK = SystemClock()


class HpcComposeTrigger(BaseTrigger):
    """Fires once, when a job is over, is running, has a service ready, or has used up a limit.

    The event: `{"v": 1, "status", "job_ref", "snapshot", "log_offsets", "message"}`, where `status` is `done`, `timeout`,
    `queue_timeout`, `fatal_pending`, `lost` or `outage`, and `snapshot` a `JobReport` as JSON or None.
    """

    def __init__(
        self,
        *,
        hpccompose_conn_id: str,
        job_ref: dict[str, Any],
        key: str = "",
        poll_seconds: float = DEFAULT_POLL_S,
        min_defer_seconds: float = MIN_DEFER_S,
        created_at: float | None = None,
        deadline: float | None = None,
        queue_deadline: float | None = None,
        wait_for: str = "terminal",
        log_services: Sequence[str] | None = None,
        log_offsets: dict[str, int] | None = None,
        on_kill_action: Literal["cancel", "keep"] = "cancel",
        outage_timeout: float = 3600.0,
        fatal_pending_reasons: Sequence[str] = FATAL_PENDING_REASONS,
    ) -> None:
        """A wait for the job of `job_ref`, a `JobHandle` as JSON.

        Times are epoch seconds, durations seconds. `log_services`: those whose lines appear in the task log; None: all, empty: none.
        """
        super().__init__()
        self.hpccompose_conn_id = hpccompose_conn_id
        self.job_ref = job_ref
        self.key = key or str(job_ref.get("key", ""))
        self.poll_seconds = poll_seconds
        self.min_defer_seconds = min_defer_seconds
        self.created_at = created_at if created_at is not None else CLOCK.now()
        self.deadline = deadline
        self.queue_deadline = queue_deadline
        self.wait_for = wait_for
        self.log_services = list(log_services) if log_services is not None else None
        self.log_offsets = dict(log_offsets or {})
        self.on_kill_action = on_kill_action
        self.outage_timeout = outage_timeout
        self.fatal_pending_reasons = list(fatal_pending_reasons)
        self._terms = Terms(
            wait_for=wait_for,
            deadline=deadline,
            queue_deadline=queue_deadline,
            fatal_reasons=frozenset(fatal_pending_reasons),
            outage_s=outage_timeout,
        )
        self._fired = False
        self._was_silent = False
        self._logs_failed = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and every argument that it needs to be made again."""
        names = (
            "hpccompose_conn_id", "job_ref", "key", "poll_seconds", "min_defer_seconds", "created_at", "deadline",
            "queue_deadline", "wait_for", "log_services", "log_offsets", "on_kill_action", "outage_timeout",
            "fatal_pending_reasons",
        )  # fmt: skip
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The one event; whoever waits for a job that is over already gets it after `min_defer_seconds`."""
        if self.on_kill_action == "cancel":
            ask_ahead(self.task_instance)
        hub = hub_of(self.hpccompose_conn_id)
        handle = JobHandle.from_json(self.job_ref)
        stream = LogStream(write=self._write_line, offsets=dict(self.log_offsets))
        with hub.watching(handle, self.poll_seconds) as watcher:
            status, look = await self._wait(hub, watcher, stream)
        await asyncio.sleep(max(0.0, self.created_at + self.min_defer_seconds - CLOCK.now()))
        self._fired = True
        yield TriggerEvent(self._event(status, look, stream))

    async def on_kill(self) -> None:
        """Cancel the job when its task was marked or cleared, and nobody else has taken it over.

        Airflow calls this also when a trigger only moves to another triggerer, and after a clear whose new try runs already: in both
        the task is active, and the job is the business of whoever runs it.
        """
        if self._fired or self.on_kill_action != "cancel":
            return
        if not await self._has_left_its_task():
            return
        hub, handle = hub_of(self.hpccompose_conn_id), JobHandle.from_json(self.job_ref)
        self.log.info("The task was ended while its job %s was active: cancelling the job.", handle.job_id)
        await asyncio.wait_for(hub.cancel(handle), CANCEL_WITHIN_S)

    async def cleanup(self) -> None:
        """Before Airflow 3.3 nobody calls `on_kill`, so the same is decided whenever the trigger ends."""
        if not AIRFLOW_V_3_3_PLUS:
            await self.on_kill()

    async def _has_left_its_task(self) -> bool:
        """What cannot be found out leaves the job alone: the reaper ends what is really an orphan."""
        if self.task_instance is None:
            return False
        try:
            state = await task_state(self.task_instance)
        except Exception as error:  # noqa: BLE001  (the API server may be down, too)
            self.log.warning("Job %s is left alone, the task's state is unknown: %s", self.job_ref.get("job_id"), error)
            return False
        return has_left_its_task(state)

    async def _wait(self, hub: PollHub, watcher: Watcher, stream: LogStream) -> tuple[Status, Look | None]:
        """Look after look until one ends the wait; the clock ends it also when no look comes."""
        loop, began, look = asyncio.get_running_loop(), asyncio.get_running_loop().time(), None
        ignorance = Ignorance()
        while True:
            news = await watcher.next(within_s=2 * self.poll_seconds)  # looks come sooner; this is for when they do not
            look = news or look
            silent_s = loop.time() - (look.good_at if look else began)
            if news is not None:
                self._tell_of_silence(news)
                if not news.error:
                    await self._stream_logs(hub, watcher.handle, news.report, stream)
            is_silent = silent_s > 3 * self.poll_seconds + _HANGS_S or (look is not None and bool(look.error))
            report = look.report if look else None
            unknown_s = ignorance.after(report, look.good_at if look else began)
            status = outcome(
                self._terms, report, now=CLOCK.now(), silent_s=silent_s, is_silent=is_silent, unknown_s=unknown_s
            )
            if status is not None:
                return status, look

    async def _stream_logs(self, hub: PollHub, handle: JobHandle, report: JobReport | None, stream: LogStream) -> None:
        """What the services wrote since the last look; a log that cannot be read now is read later."""
        if report is None or self.log_services == [] or not (report.is_running or report.is_over):
            return
        request = LogRequest(
            handle=handle, offsets=dict(stream.offsets), budget=BYTES_PER_LOOK, services=self.log_services
        )
        try:
            chunk = await asyncio.wait_for(hub.logs(request), READ_WITHIN_S)
        except Exception as error:  # noqa: BLE001  (a wait does not end because a log cannot be read)
            self._tell_of_logs(repr(error))
        else:
            self._tell_of_logs(chunk.error)
            stream.show(chunk)

    def _tell_of_logs(self, error: str) -> None:
        """Once when they cannot be read."""
        if error and not self._logs_failed:
            self.log.warning("The services' logs cannot be read now; the wait goes on: %s", error)
        self._logs_failed = bool(error)

    def _tell_of_silence(self, look: Look) -> None:
        """Once when the cluster falls silent, and once when it answers again."""
        if look.error and not self._was_silent:
            self.log.warning("The cluster does not answer; the job is not touched, the wait goes on: %s", look.error)
        if not look.error and self._was_silent:
            self.log.info("The cluster answers again.")
        self._was_silent = bool(look.error)

    def _write_line(self, line: str) -> None:
        self.log.info("%s", line)

    def _event(self, status: Status, look: Look | None, stream: LogStream) -> dict[str, Any]:
        report = look.report if look else None
        return {
            "v": 1,
            "status": status,
            "job_ref": self.job_ref,
            "snapshot": report.as_json() if report else None,
            "log_offsets": stream.offsets,
            "message": look.error if look else "",
        }
