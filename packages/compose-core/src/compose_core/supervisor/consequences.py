"""What follows when a service becomes ready, does not, or ends: a restart, the end of the job, or nothing."""

import time
from typing import Callable, Dict, Optional

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.early import EarlyWarning
from compose_core.supervisor.files import JobFolder
from compose_core.supervisor.hooks import Hooks
from compose_core.supervisor.job import Job
from compose_core.supervisor.notices import explained, step_story
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.secrets import SecretUnavailable
from compose_core.supervisor.service import Service
from compose_core.supervisor.stopping import Stopping
from compose_core.supervisor.talk import signal_name

SETTLE_S = 1.0
"""When Slurm ends a job, a step may end before the TERM for this program arrives: its failure is judged this much later."""


class Consequences:
    """Writes down what a service does, and applies its policy and hooks."""

    def __init__(
        self,
        job: Job,
        folder: JobFolder,
        logs: ServiceLogs,
        hooks: Hooks,
        stopping: Stopping,
        early: EarlyWarning,
        allocation: Allocation,
        environment_of: Callable[[Service], Dict[str, str]],
    ) -> None:
        self._job = job
        self._folder = folder
        self._logs = logs
        self._hooks = hooks
        self._stopping = stopping
        self._early = early
        self._allocation = allocation
        self._environment_of = environment_of

    def became_ready(self, service: Service) -> None:
        """Its probe succeeded."""
        service.end_probe()
        service.status, service.ready_at = "ready", time.time()
        self._job.record.event("ready", service.name)
        self._job.record.tell(service.name, "ready")
        self._fire(service, "ready", service.last_exit_code)

    def readiness_failed(self, service: Service, why: str, now: float) -> None:
        """It was not ready in time: its policy decides."""
        service.end_probe()
        service.failure_reason = why
        self._job.record.event("readiness_failed", service.name, message=service.failure_reason)
        self._job.record.tell(service.name, service.failure_reason)
        if service.mode == "ignore":
            service.status = "running"
        elif service.mode == "restart_on_failure":
            self._stopping.stop(service, "readiness", now)
        else:
            service.status = "failed"
            self._job.decide("readiness_failed", 1, service, message=service.failure_reason)

    def exited(self, service: Service, code: int, signum: Optional[int], now: float) -> None:
        """Its process ended: write down how, then decide what follows."""
        service.last_exit_code, service.last_signal = code, signum
        self._logs.settle(service)
        if service.probe is not None and service.probe.last_look():
            self.became_ready(service)
        story = step_story(self._folder, service, code, self._stopping.uses_srun(service))
        if code != 0 and len(self._allocation.nodes) == 1:
            story.node = self._allocation.primary
        service.failed_task = (story.node, story.rank)
        self._job.record.exit(service, code, signum, self._allocation, story.node, story.rank)
        how = "ended by {}".format(signal_name(signum)) if signum is not None else "exited with {}".format(code)
        how = explained(how, code, story, service.stopping, self._early.name if service.was_warned else "")
        self._job.record.tell(service.name, how)
        self.ended(service, code, signum, now, how)

    def ended(self, service: Service, code: int, signum: Optional[int], now: float, how: str) -> None:
        """What follows from its end: nothing, a restart, or the end of the job."""
        was_told = service.stopping
        service.end_probe()
        self._job.record.index_log(service)
        if service.process is not None:
            service.process.returncode = code
        service.process, service.lingering, service.kill_at, service.finished_at = None, None, None, time.time()
        self._fire(service, "exit", code)
        service.limit_at = service.kill_again_at = None
        if was_told == "teardown" or (self._job.outcome is not None and code != 0):
            service.status = "failed" if service.status == "failed" else "stopped"
        elif was_told == "readiness":
            self.failed(service, code or 1, signum, how, now)
        elif service.ended_well(code):
            service.completed, service.status = True, "exited"
        elif self._job.is_slurm:
            service.verdict_at = now + SETTLE_S
            service.verdict = (code, signum, how)
        else:
            self.failed(service, code, signum, how, now)

    def failed(self, service: Service, code: int, signum: Optional[int], how: str, now: float) -> None:
        """It failed by itself: apply its policy."""
        at = time.time()
        if service.first_failure_at is None:
            service.first_failure_at, service.first_failure_exit_code = at, code
            service.first_failure_node, service.first_failure_rank = service.failed_task
        if service.stopping != "readiness":
            service.failure_reason = how
        if service.mode == "ignore":
            service.status = "exited"
            self._job.record.tell(service.name, "its failure is ignored")
            return
        verdict = service.window.on_failure(now, at) if service.mode == "restart_on_failure" else "fail_job"
        if verdict == "restart" and self._job.outcome is None:
            service.status, service.relaunch_at = "backoff", now + service.backoff_s
            count = service.window.restart_count
            self._job.record.event("backoff", service.name, seconds=service.backoff_s, restart_count=count)
            text = "restart {} of {} in {:g} s".format(count, service.window.max_restarts, service.backoff_s)
            self._job.record.tell(service.name, text)
            self._fire(service, "restart", code)
            return
        service.status = "failed"
        cause = "service_failed"
        if verdict in ("gave_up", "window_exhausted"):
            cause = "restarts_exhausted" if verdict == "gave_up" else "window_exhausted"
            limit = "{} restarts".format(service.window.max_restarts)
            if verdict == "window_exhausted":
                limit = "{} restarts in {:g} s".format(service.window.max_in_window, service.window.window_s or 0)
            service.failure_reason = "{} after {}".format(service.failure_reason, limit)
            self._job.record.event(verdict, service.name, restart_count=service.window.restart_count)
            self._job.record.tell(service.name, "no restart: {} are used up".format(limit))
            self._fire(service, verdict, code)
        self._job.decide(cause, code, service, signum, service.failure_reason or how)

    def _fire(self, service: Service, event: str, exit_code: Optional[int]) -> None:
        """Let the service's hooks for this event run."""
        if any(hook["on"] == event for hook in service.hooks):
            try:
                environment = self._environment_of(service)
            except SecretUnavailable as error:
                self._job.record.tell(service.name, "its {} hook is not run: {}".format(event, error))
                return
            self._hooks.fire(service, event, environment, exit_code, time.monotonic())
