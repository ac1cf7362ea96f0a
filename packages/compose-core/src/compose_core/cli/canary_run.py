"""A canary from its submission to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.cli.follow import JobFollower
from compose_core.errors import ExitCode, HpccError, SchedulerUnreachable
from compose_core.operations import cancel
from compose_core.units import format_duration

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

_LOOK_S = 0.5
_CANCEL_WAIT_S = 90.0
_UNDER_WAY = frozenset({"running", "ready"})


class CanaryRun:
    """One canary that is followed: it ends by itself, or when its services have been at work for long enough."""

    def __init__(self, tools: Tools, record: JobRecord, *, measure_s: float, timeout_s: float) -> None:
        self._tools = tools
        self._clock = tools.site.clock
        self._record = record
        self._measure_s = measure_s
        self._deadline = self._clock.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._since: float | None = None
        """When all services were at work."""
        self._follower = JobFollower(tools, record)

    @property
    def _now(self) -> JobSnapshot:
        """The job; of an array its only task."""
        snapshot = self._follower.snapshot
        return snapshot.tasks[0] if snapshot.tasks else snapshot

    def to_the_end(self) -> JobSnapshot:
        """How it ended.

        Raises: HpccError: it did not get there in time, and was cancelled.
        """
        while not self._follower.is_over():
            if self._has_measured():
                self._tools.output.talk(f"measured for {format_duration(self._measure_s)}: the canary is ended")
                if ended := self._end():
                    return ended
            elif self._clock.monotonic() > self._deadline:
                state = self._now.state
                self._end()
                raise HpccError(
                    f"the canary {self._record.job_id} was cancelled: still {state} after {format_duration(self._timeout_s)}",
                    remedy="Wait longer with --timeout, or ask for less with --min-cpus, --min-mem and --min-gpus.",
                    code="canary-timeout",
                )
            self._clock.sleep(_LOOK_S)
        self._follower.tell()
        return self._now

    def leave(self) -> int:
        """Somebody interrupts: the canary is of no use to anybody then. Gives the exit status."""
        record = self._record
        try:
            done = cancel(self._tools.site, record, wait_s=_CANCEL_WAIT_S)
            word = "was cancelled" if done.confirmed else "was asked to end"
            self._tools.output.talk(f"\ncanary {record.job_id} {word}")
        except (HpccError, KeyboardInterrupt):
            self._tools.output.talk(f"\ncanary {record.job_id} may go on: hpcc cancel --job-id {record.job_id}")
        return int(ExitCode.INTERRUPTED)

    def _has_measured(self) -> bool:
        """Its services are at work for long enough; starts of containers and waiting for readiness do not count."""
        words = [service.status for service in self._now.services]
        if any(word == "starting" for word in words) or not any(word in _UNDER_WAY for word in words):
            self._since = None
            return False
        if self._since is None:
            self._since = self._clock.monotonic()
        return self._clock.monotonic() - self._since >= self._measure_s

    def _end(self) -> JobSnapshot | None:
        """How it ended; None while that is not known."""
        try:
            done = cancel(self._tools.site, self._record, wait_s=_CANCEL_WAIT_S)
        except SchedulerUnreachable as error:
            self._tools.output.talk(f"{error.message}; its own time limit ends it")
            self._since = self._clock.monotonic()
            return None
        snapshot = done.snapshot
        return (snapshot.tasks[0] if snapshot.tasks else snapshot) if done.confirmed else None
