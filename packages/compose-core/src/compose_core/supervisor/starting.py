"""How services are started, each as soon as what it depends on is there."""

import os
import subprocess
import time
from typing import Callable, Dict

from compose_core.supervisor.consequences import Consequences
from compose_core.supervisor.job import Job
from compose_core.supervisor.probing import make_probe
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.service import Service
from compose_core.supervisor.stopping import Stopping
from compose_core.supervisor.surroundings import Surroundings
from compose_core.supervisor.talk import Refused


class Starting:
    """Starts the services of a job."""

    def __init__(
        self,
        script: str,
        job: Job,
        logs: ServiceLogs,
        surroundings: Surroundings,
        stopping: Stopping,
        consequences: Consequences,
        environment_of: Callable[[Service], Dict[str, str]],
        wake: Callable[[], None],
    ) -> None:
        self._script = script
        self._job = job
        self._logs = logs
        self._surroundings = surroundings
        self._stopping = stopping
        self._consequences = consequences
        self._environment_of = environment_of
        self._wake = wake

    def start_what_may(self, now: float) -> None:
        """Start every service whose dependencies are met; one that can never start ends the job."""
        for service in self._job.services:
            if service.status != "waiting" or self._job.outcome is not None:
                continue
            answers = [
                (need, condition, self._job.by_name[need].satisfies(condition))
                for need, condition in service.depends_on
            ]
            if all(answer for _, _, answer in answers):
                self.start(service, now)
        if self._job.outcome is None and not self._job.mains_are_done():
            for service in self._job.services:
                self._check_hope(service)

    def _check_hope(self, service: Service) -> None:
        """End the job when a service waits for what can no longer happen."""
        if service.status != "waiting" or self._job.outcome is not None:
            return
        for need, condition in service.depends_on:
            if self._job.by_name[need].satisfies(condition) is False:
                service.status = "failed"
                service.failure_reason = "{} will never be {}".format(need, condition.replace("service_", "", 1))
                self._job.record.tell(service.name, "cannot start: " + service.failure_reason)
                self._job.decide("dependency_failed", 1, service, message=service.failure_reason)
                return

    def start(self, service: Service, now: float) -> None:
        """Launch it once more."""
        is_restart = service.launches > 0
        service.launches += 1
        service.stopping, service.kill_at, service.killed_at, service.step_id = "", None, None, None
        service.was_warned, service.limit_at = False, None
        service.ready_at = service.finished_at = service.failure_reason = None
        service.started_at = time.time()
        service.first_started_at = service.first_started_at or service.started_at
        while service.port_holders:
            service.port_holders.pop().close()
        self._job.record.is_stale = True
        try:
            if service.readiness:
                service.probe = make_probe(service, service.readiness, now, self._surroundings, self._logs, self._wake)
            self._logs.begin(service)
            log = self._logs.writer(service)
            try:
                service.process = subprocess.Popen(
                    ["bash", self._script, "step:" + service.name],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment_of(service),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, Refused, ValueError) as error:
            service.status = "starting"
            self._job.record.tell(service.name, "could not be started: {}".format(error))
            self._consequences.ended(service, 127, None, now, "it could not be started: {}".format(error))
            return
        service.status = "starting" if service.readiness else "running"
        if service.time_limit_s is not None and not self._stopping.uses_srun(service):
            service.limit_at = now + service.time_limit_s  # of a step, Slurm takes care
        if is_restart:
            self._job.record.event(
                "restarted", service.name, restart_count=service.window.restart_count, pid=service.pid
            )
        else:
            self._job.record.event("started", service.name, pid=service.pid)
        self._job.record.tell(service.name, "{} (pid {})".format("restarted" if is_restart else "started", service.pid))
