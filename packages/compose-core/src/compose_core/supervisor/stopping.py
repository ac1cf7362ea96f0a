"""How services are stopped: a signal, the grace time, KILL."""

import signal

from compose_core.supervisor.budget import Budget
from compose_core.supervisor.host import send
from compose_core.supervisor.job import Job
from compose_core.supervisor.policy import DependencyGraph
from compose_core.supervisor.service import Service
from compose_core.supervisor.steps import Steps

SRUN_KILL_S = 2.0
"""How long srun may take to end when its step was killed, before it is killed itself."""
UNKILLABLE_S = 5.0
"""How long a killed process may linger (device sleep) before teardown goes on without it."""


class Stopping:
    """Stops the services of a job, and passes signals on to them."""

    def __init__(self, job: Job, budget: Budget, steps: Steps) -> None:
        self._job = job
        self._budget = budget
        self._steps = steps
        self._graph = DependencyGraph({service.name: service.depends_on for service in job.services})

    def uses_srun(self, service: Service) -> bool:
        """Its process is srun, which passes signals on in ways of its own."""
        return self._job.is_slurm and service.launch == "srun"

    def signal(self, service: Service, signum: int) -> None:
        """Deliver a signal to the service's own processes."""
        if not self.uses_srun(service):
            send(service.pid, signum)
            if signum == signal.SIGTERM:
                send(service.pid, signal.SIGCONT)  # one that was stopped must wake up to end
        else:
            self._steps.signal(service, signum)

    def stop(self, service: Service, why: str, now: float) -> None:
        """TERM now, KILL after the grace time."""
        self.note_stop(service, why, now)
        self.signal(service, signal.SIGTERM)

    def note_stop(self, service: Service, why: str, now: float) -> None:
        """It has been told to stop."""
        was_told = service.stopping
        service.stopping = why
        if service.killed_at is None:
            kill_at = now + self._budget.grace_s
            if was_told and service.kill_at is not None:
                kill_at = min(kill_at, service.kill_at)
            service.kill_at = kill_at if self._budget.grace_end is None else min(kill_at, self._budget.grace_end)
        service.end_probe()
        self._job.record.event("stopping", service.name)
        self._job.record.tell(service.name, "stopping")

    def stop_what_may(self, now: float) -> None:
        """Tell every service to stop whose dependents have ended; when time runs out, all of them."""
        must_hurry = self._budget.hurry_at is not None and now >= self._budget.hurry_at
        for service in self._job.services:
            if not service.is_alive and not service.has_ended:
                is_own_failure = service.verdict_at is not None and self._budget.deadline is None
                service.status = "failed" if is_own_failure else "stopped" if service.launches else "skipped"
                service.failure_reason = service.verdict[2] if is_own_failure else service.failure_reason
                service.verdict_at = None
                self._job.record.is_stale = True
            if not service.is_alive or service.stopping == "teardown":
                continue
            if must_hurry or not any(self._job.by_name[name].is_alive for name in self._graph.dependents(service.name)):
                self.stop(service, "teardown", now)
        if self._budget.grace_end is not None and now >= self._budget.grace_end:
            for service in self._job.services:
                if service.is_alive and service.killed_at is None:
                    self.kill(service, now)

    def kill(self, service: Service, now: float) -> None:
        """The grace time is over."""
        service.kill_at, service.killed_at = None, now
        service.stopping = service.stopping or "teardown"
        self._job.record.event("killed", service.name)
        self._job.record.tell(service.name, "killed after its grace time")
        if not self.uses_srun(service) or not self._steps.kill(service):
            send(service.pid, signal.SIGKILL)
        else:
            service.kill_again_at = now + SRUN_KILL_S
