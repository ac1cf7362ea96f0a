"""The loop that starts the services of a job, watches them, and ends them."""

import os
import select
import signal
import time
from typing import Dict, Optional

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.attempts import ResumeFolder
from compose_core.supervisor.budget import Budget
from compose_core.supervisor.children import Children
from compose_core.supervisor.consequences import Consequences
from compose_core.supervisor.distributed import reserve_ports, write_allocation
from compose_core.supervisor.early import EarlyWarning
from compose_core.supervisor.ending import Ending, SignalInbox
from compose_core.supervisor.files import JobFolder, Json
from compose_core.supervisor.hooks import HOOK_TIMEOUT_S, Hooks
from compose_core.supervisor.host import adopt_orphans, seconds_since_start, send, start_ticks
from compose_core.supervisor.job import Job
from compose_core.supervisor.notices import BatchLog
from compose_core.supervisor.probing import check_readiness
from compose_core.supervisor.record import Record
from compose_core.supervisor.results import Results
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.runtime_cache import RuntimeCache, write_enroot_script
from compose_core.supervisor.sampling import LAST_SAMPLE_S, Sampling
from compose_core.supervisor.secrets import Secrets, SecretUnavailable
from compose_core.supervisor.service import Service
from compose_core.supervisor.starting import Starting
from compose_core.supervisor.state import StateFile
from compose_core.supervisor.steps import Steps, Tools
from compose_core.supervisor.stopping import Stopping
from compose_core.supervisor.surroundings import Surroundings
from compose_core.supervisor.talk import Refused, complain
from compose_core.supervisor.timers import Timers


class Supervisor:
    """Runs one job from its first service to its last state."""

    def __init__(
        self,
        script: str,
        description: Json,
        environment: Dict[str, str],
        folder: JobFolder,
        job_id: str,
        token: str,
        resume: Optional[ResumeFolder] = None,
        attempt: int = 0,
    ) -> None:
        self.description = description
        self.secrets = Secrets(description, environment)  # before a program is started that would inherit them
        self.folder = folder
        self.job_id = job_id
        self.record = record = Record(folder, job_id, token or None, attempt, resume)
        services = [Service(entry, index) for index, entry in enumerate(description["services"])]
        self.job = job = Job(record, services, environment.get("HPC_COMPOSE_ENGINE") != "local")
        self.tools = Tools()
        self.runtime_cache = RuntimeCache(description.get("cleanup") or {}, job_id)
        self.inbox = SignalInbox()
        self.logs = ServiceLogs(folder, description.get("logs"), self.inbox.wake)
        hook_timeout_s = float(description.get("hook_timeout_s") or HOOK_TIMEOUT_S)
        self.hooks = Hooks(script, folder, self.logs, record, hook_timeout_s)
        self.sampling = Sampling(script, description, job_id, self.tools, record)
        self.owns_processes = not job.is_slurm or any(service.launch == "batch" for service in services)

        ticks = start_ticks()
        age = seconds_since_start(ticks)
        self.budget = budget = Budget(description, environment, time.monotonic() - age)
        self.inbox.catch()
        slurm_job_id = environment.get("SLURM_JOB_ID", job_id)
        steps = Steps(slurm_job_id, self.tools, record, services)
        self.stopping = stopping = Stopping(job, budget, steps)
        rule = description.get("early_signal")
        early = EarlyWarning(rule, job, stopping, budget, steps, self.tools, slurm_job_id)
        self.ending = Ending(job, stopping, budget, self.inbox, early, BatchLog(slurm_job_id))
        self.allocation = Allocation(environment)
        self.surroundings = Surroundings(environment, job_id, job.is_slurm, record, services, self.allocation)
        self.state_file = StateFile(
            description,
            environment,
            job.is_slurm,
            record,
            services,
            self.allocation,
            early,
            ticks=ticks,
            started_at=time.time() - age,
        )
        self.results = Results(description, job, folder, budget, self.ending, self.state_file)
        consequences = Consequences(
            job, folder, self.logs, self.hooks, stopping, early, self.allocation, self.environment_of
        )
        self.starting = Starting(
            script, job, self.logs, self.surroundings, stopping, consequences, self.environment_of, self.inbox.wake
        )
        self.timers = Timers(job, self.hooks, stopping, consequences, self.starting)
        self.children = Children(job, self.hooks, self.tools, stopping, consequences)

    def environment_of(self, service: Service) -> Dict[str, str]:
        """What the next launch or hook of a service gets.

        Raises: SecretUnavailable: a value cannot be read.
        """
        return self.secrets.given_to(service.secrets, self.surroundings.of_step(service))

    def run(self) -> int:
        """The exit status of the job."""
        try:
            self.prepare()
            self.record.event("job_started", attempt=self.record.attempt, host=self.allocation.primary)
            self.record.tell_job("started on {} (attempt {})".format(self.allocation.nodelist, self.record.attempt))
            if self.record.is_resume:
                self.record.event("resumed", attempt=self.record.attempt)
            self.sampling.start(self.surroundings.of_job(), len(self.allocation.nodes), self.job.is_slurm)
            self.loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the services are stopped and the state is written
            self.explain(error)
            cause = "secret_unavailable" if isinstance(error, SecretUnavailable) else "supervisor_error"
            self.job.decide(cause, 1, message=str(error) or type(error).__name__)
            self.stop_after_error()
        return self.finish()

    def prepare(self) -> None:
        """Everything that must be right before the first service starts.

        Raises: Refused: something is not; the text says what.
        """
        try:
            self.make_ready()
        except OSError as error:
            text = (
                "the job cannot be made ready, so no service was started: {}; look after the space and the rights in {}"
            )
            raise Refused(text.format(error, self.folder.path)) from None
        check_readiness(self.job.services, self.surroundings)
        self.secrets.check(service.secrets for service in self.job.services)
        if self.owns_processes:
            adopt_orphans()

    def make_ready(self) -> None:
        """The folders, files and ports that the services will find."""
        try:
            os.unlink("end.json", dir_fd=self.folder.folder(""))  # an earlier attempt's
        except FileNotFoundError:
            pass
        write_allocation(self.folder, self.allocation, self.job.services)
        reserve_ports(self.job.services, self.job_id)
        self.logs.open(self.job.services)
        self.folder.folder("service-exits")
        self.runtime_cache.make()
        if self.description.get("backend") == "enroot":
            write_enroot_script(self.folder)
        self.hooks.write_scripts(self.job.services)

    def loop(self) -> None:
        """Turn until the job is decided and every service has ended."""
        self.state_file.begin(time.monotonic())
        while True:
            now = time.monotonic()
            self.ending.take_signals(now)
            self.children.reap(now)
            self.tools.kill(before=now)
            self.logs.tell(self.record)
            for service in self.job.services:
                self.timers.advance(service, now)
            self.ending.keep_time(now)
            if self.job.outcome is None:
                self.starting.start_what_may(now)
                self.job.judge()
            if self.job.outcome is not None:
                self.stopping.stop_what_may(now)
            self.state_file.write_due(now)
            self.hooks.advance(now)
            self.sampling.advance(now, must_end=self.budget.deadline is not None)
            if self.job.outcome is not None and not any(service.is_alive for service in self.job.services):
                if self.hooks.are_over(now, self.budget.grace_end):
                    return
            self.wait(now)

    def wait(self, now: float) -> None:
        """Sleep until a signal, an answer or the next timer."""
        due = [
            self.state_file.next_at,
            self.tools.next_at,
            self.ending.next_at,
            self.hooks.next_at,
            self.sampling.next_at,
        ]
        for service in self.job.services:
            due += self.timers.due(service, now)
        if self.job.outcome is not None:
            due += [at for at in (self.budget.hurry_at, self.budget.grace_end) if at is not None and at > now]
        pipes = self.tools.pipes
        ready, _, _ = select.select([self.inbox.reader, *pipes], [], [], max(0.0, min(due) - time.monotonic()))
        for descriptor in ready:
            if descriptor in pipes:
                pipes[descriptor].read()
            else:
                os.read(self.inbox.reader, 65536)
        if ready and self.inbox.reader not in ready:
            self.children.reap(time.monotonic(), wait_s=0.01)  # the end of an answer comes right before the exit

    def stop_after_error(self) -> None:
        """Stop the services although something in here went wrong."""
        try:
            self.loop()
        except Exception as error:  # noqa: BLE001 - the last resort kills them
            self.explain(error)
            for service in self.job.services:
                if service.is_alive:
                    send(service.pid, signal.SIGKILL)
                    service.status = "stopped"

    def explain(self, error: Exception) -> None:
        """An error of the user in one line, one of ours with its traceback."""
        if isinstance(error, Refused):
            complain(str(error))
            return
        import traceback

        complain("an error inside the supervisor:")
        for line in traceback.format_exc().splitlines():
            complain(line)

    def finish(self) -> int:
        """What comes after the last service: artifacts, final state, last event."""
        self.hooks.stop()
        self.end_sampling()
        self.tools.kill()
        if self.owns_processes:
            self.children.kill_what_is_left()
        self.logs.close()
        self.logs.tell(self.record)
        for step in (self.results.check_assertions, self.results.collect_artifacts):
            try:
                step()
            except (OSError, Refused) as error:
                complain("the results cannot be collected: {}".format(error))
            except Exception as error:  # noqa: BLE001 - what became of the results never keeps the state from being written
                self.explain(error)
        self.ending.take_signals(time.monotonic())
        outcome = self.job.outcome
        assert outcome is not None
        for service in self.job.services:
            if not service.has_ended:
                service.status = "stopped" if service.launches else "skipped"
            self.record.index_log(service)
        self.state_file.write_end(outcome)
        self.record.event("finished", cause=outcome.cause, exit_code=outcome.exit_code, job_status=outcome.job_status)
        self.record.tell_job("{}, exit status {}".format(outcome.job_status, outcome.exit_code))
        self.runtime_cache.remove(outcome.cause == "completed")
        return outcome.exit_code

    def end_sampling(self) -> None:
        """The last sample, within a bound; none when Slurm leaves no time for it."""
        now = time.monotonic()
        give_up_at = now + LAST_SAMPLE_S + 1
        self.sampling.end(now)
        while self.sampling.is_running and now < give_up_at:
            self.ending.take_signals(now)
            self.children.reap(now)
            self.tools.kill(before=now)
            self.state_file.write_due(now)
            self.sampling.advance(now, must_end=self.budget.deadline is not None)
            self.wait(now)
            now = time.monotonic()
        self.sampling.write_last()
