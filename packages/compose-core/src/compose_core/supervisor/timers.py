"""What is due for a service as time passes: its readiness, back-off, limits and grace."""

import signal
from typing import List

from compose_core.supervisor.consequences import Consequences
from compose_core.supervisor.hooks import Hooks
from compose_core.supervisor.host import group_exists, send
from compose_core.supervisor.job import Job
from compose_core.supervisor.readiness import PatternTooSlow
from compose_core.supervisor.service import Service
from compose_core.supervisor.starting import Starting
from compose_core.supervisor.stopping import UNKILLABLE_S, Stopping

LINGER_S = 0.05


class Timers:
    """The timers of the services."""

    def __init__(
        self, job: Job, hooks: Hooks, stopping: Stopping, consequences: Consequences, starting: Starting
    ) -> None:
        self._job = job
        self._hooks = hooks
        self._stopping = stopping
        self._consequences = consequences
        self._starting = starting

    def advance(self, service: Service, now: float) -> None:
        """Its timers: readiness, back-off, grace."""
        probe = service.probe
        if probe is not None and now >= min(probe.next_at, probe.deadline):
            try:
                if now >= probe.next_at and probe.poll(now):
                    self._consequences.became_ready(service)
                elif now >= probe.deadline:
                    self._consequences.readiness_failed(service, "not ready in time: " + probe.what, now)
            except PatternTooSlow as error:
                self._consequences.readiness_failed(service, "its readiness cannot be told: {}".format(error), now)
        may_restart = self._job.outcome is None and not self._hooks.is_busy(service, "restart")
        if service.status == "backoff" and now >= service.relaunch_at and may_restart:
            self._starting.start(service, now)
        if service.verdict_at is not None and now >= service.verdict_at and self._job.outcome is None:
            service.verdict_at = None
            self._consequences.failed(service, *service.verdict, now=now)
        if service.limit_at is not None and now >= service.limit_at:
            service.limit_at = None
            if service.is_alive and not service.stopping:
                self._stopping.stop(service, "time_limit", now)
        if service.kill_at is not None and now >= service.kill_at:
            self._stopping.kill(service, now)
        if service.lingering is not None and not group_exists(service.pid):
            self._consequences.exited(service, service.lingering[0], service.lingering[1], now)
        if service.kill_again_at is not None and now >= service.kill_again_at:
            service.kill_again_at = None
            send(service.pid, signal.SIGKILL)
        if service.is_alive and service.killed_at is not None and now >= service.killed_at + UNKILLABLE_S:
            self._job.record.tell(service.name, "did not die (pid {}); going on without it".format(service.pid))
            self._consequences.exited(service, 137, int(signal.SIGKILL), now)

    def due(self, service: Service, now: float) -> List[float]:
        """When its timers want their turn."""
        due: List[float] = []
        if service.probe is not None:
            due += [service.probe.next_at, service.probe.deadline]
        if service.status == "backoff" and not self._hooks.is_busy(service, "restart"):
            due.append(service.relaunch_at)
        timers = (service.kill_at, service.kill_again_at, service.verdict_at, service.limit_at)
        due += [at for at in timers if at is not None]
        if service.is_alive and service.killed_at is not None:
            due.append(service.killed_at + UNKILLABLE_S)
        if service.lingering is not None:
            due.append(now + LINGER_S)
        return due
