"""The loop that starts the services of a job, watches them, and ends them."""

import os
import select
import signal
import subprocess
import time
from typing import Callable, Dict, Optional

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.artifacts import ArtifactCollector
from compose_core.supervisor.assertions import check_assertions
from compose_core.supervisor.attempts import ResumeFolder
from compose_core.supervisor.budget import Budget, Stoppable
from compose_core.supervisor.distributed import reserve_ports, write_allocation
from compose_core.supervisor.early import EarlyWarning
from compose_core.supervisor.ending import Ending, SignalInbox
from compose_core.supervisor.files import JobFolder, Json
from compose_core.supervisor.hooks import HOOK_TIMEOUT_S, Hooks
from compose_core.supervisor.host import (
    adopt_orphans,
    descendants,
    group_exists,
    seconds_since_start,
    send,
    start_ticks,
)
from compose_core.supervisor.notices import BatchLog, explained, step_story
from compose_core.supervisor.policy import DependencyGraph
from compose_core.supervisor.probing import check_readiness, make_probe
from compose_core.supervisor.readiness import PatternTooSlow
from compose_core.supervisor.record import Outcome, Record
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.runtime_cache import RuntimeCache, write_enroot_script
from compose_core.supervisor.sampling import LAST_SAMPLE_S, Sampling
from compose_core.supervisor.secrets import Secrets, SecretUnavailable
from compose_core.supervisor.service import Service
from compose_core.supervisor.state import StateFile
from compose_core.supervisor.steps import Steps, Tools
from compose_core.supervisor.surroundings import Surroundings
from compose_core.supervisor.talk import Refused, complain, signal_name

SRUN_KILL_S = 2.0
"""How long srun may take to end when its step was killed, before it is killed itself."""
UNKILLABLE_S = 5.0
"""How long a killed process may linger (device sleep) before teardown goes on without it."""
LINGER_S = 0.05
SETTLE_S = 1.0
"""When Slurm ends a job, a step may end before the TERM for this program arrives: its failure is judged this much later."""


class Supervisor(Stoppable):
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
        self.script = script
        self.description = description
        self.secrets = Secrets(description, environment)  # before a program is started that would inherit them
        self.folder = folder
        self.job_id = job_id
        self.is_slurm = environment.get("HPC_COMPOSE_ENGINE") != "local"
        self.record = Record(folder, job_id, token or None, attempt, resume)
        self.services = [Service(entry, index) for index, entry in enumerate(description["services"])]
        self.by_name = {service.name: service for service in self.services}
        self.graph = DependencyGraph({service.name: service.depends_on for service in self.services})
        self.tools = Tools()
        self.runtime_cache = RuntimeCache(description.get("cleanup") or {}, job_id)
        self.inbox = SignalInbox()
        self.logs = ServiceLogs(folder, description.get("logs"), self.inbox.wake)
        hook_timeout_s = float(description.get("hook_timeout_s") or HOOK_TIMEOUT_S)
        self.hooks = Hooks(script, folder, self.logs, self.record, hook_timeout_s)
        self.sampling = Sampling(script, description, job_id, self.tools, self.record)
        self.owns_processes = not self.is_slurm or any(service.launch == "batch" for service in self.services)

        ticks = start_ticks()
        age = seconds_since_start(ticks)
        self.budget = Budget(description, environment, time.monotonic() - age)

        self.outcome: Optional[Outcome] = None
        self.inbox.catch()
        slurm_job_id = environment.get("SLURM_JOB_ID", job_id)
        self.steps = Steps(slurm_job_id, self.tools, self.record, self.services)
        rule = description.get("early_signal")
        self.early = EarlyWarning(rule, self, self.budget, self.steps, self.tools, slurm_job_id)
        self.ending = Ending(self, self.budget, self.inbox, self.early, BatchLog(slurm_job_id))
        self.allocation = Allocation(environment)
        self.surroundings = Surroundings(
            environment, job_id, self.is_slurm, self.record, self.services, self.allocation
        )
        self.state_file = StateFile(
            description,
            environment,
            self.is_slurm,
            self.record,
            self.services,
            self.allocation,
            self.early,
            ticks=ticks,
            started_at=time.time() - age,
        )

    # -- life of the job

    def run(self) -> int:
        """The exit status of the job."""
        try:
            self.prepare()
            self.record.event("job_started", attempt=self.record.attempt, host=self.allocation.primary)
            self.record.tell_job("started on {} (attempt {})".format(self.allocation.nodelist, self.record.attempt))
            if self.record.is_resume:
                self.record.event("resumed", attempt=self.record.attempt)
            self.sampling.start(self.surroundings.of_job(), len(self.allocation.nodes), self.is_slurm)
            self.loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the services are stopped and the state is written
            self.explain(error)
            cause = "secret_unavailable" if isinstance(error, SecretUnavailable) else "supervisor_error"
            self.decide(cause, 1, message=str(error) or type(error).__name__)
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
        check_readiness(self.services, self.surroundings)
        self.secrets.check(service.secrets for service in self.services)
        if self.owns_processes:
            adopt_orphans()

    def make_ready(self) -> None:
        """The folders, files and ports that the services will find."""
        try:
            os.unlink("end.json", dir_fd=self.folder.folder(""))  # an earlier attempt's
        except FileNotFoundError:
            pass
        write_allocation(self.folder, self.allocation, self.services)
        reserve_ports(self.services, self.job_id)
        self.logs.open(self.services)
        self.folder.folder("service-exits")
        self.runtime_cache.make()
        if self.description.get("backend") == "enroot":
            write_enroot_script(self.folder)
        self.hooks.write_scripts(self.services)

    def loop(self) -> None:
        """Turn until the job is decided and every service has ended."""
        self.state_file.begin(time.monotonic())
        while True:
            now = time.monotonic()
            self.ending.take_signals(now)
            self.reap(now)
            self.tools.kill(before=now)
            self.logs.tell(self.record)
            for service in self.services:
                self.advance(service, now)
            self.ending.keep_time(now)
            if self.outcome is None:
                self.start_what_may(now)
                self.judge()
            if self.outcome is not None:
                self.stop_what_may(now)
            self.state_file.write_due(now)
            self.hooks.advance(now)
            self.sampling.advance(now, must_end=self.budget.deadline is not None)
            if self.outcome is not None and not any(service.is_alive for service in self.services):
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
        for service in self.services:
            if service.probe is not None:
                due += [service.probe.next_at, service.probe.deadline]
            if service.status == "backoff" and not self.hooks.is_busy(service, "restart"):
                due.append(service.relaunch_at)
            timers = (service.kill_at, service.kill_again_at, service.verdict_at, service.limit_at)
            due += [at for at in timers if at is not None]
            if service.is_alive and service.killed_at is not None:
                due.append(service.killed_at + UNKILLABLE_S)
            if service.lingering is not None:
                due.append(now + LINGER_S)
        if self.outcome is not None:
            due += [at for at in (self.budget.hurry_at, self.budget.grace_end) if at is not None and at > now]
        pipes = self.tools.pipes
        ready, _, _ = select.select([self.inbox.reader, *pipes], [], [], max(0.0, min(due) - time.monotonic()))
        for descriptor in ready:
            if descriptor in pipes:
                pipes[descriptor].read()
            else:
                os.read(self.inbox.reader, 65536)
        if ready and self.inbox.reader not in ready:
            self.reap(time.monotonic(), wait_s=0.01)  # the end of an answer comes right before the exit

    # -- starting

    def start_what_may(self, now: float) -> None:
        """Start every service whose dependencies are met; one that can never start ends the job."""
        for service in self.services:
            if service.status != "waiting" or self.outcome is not None:
                continue
            answers = [
                (need, condition, self.by_name[need].satisfies(condition)) for need, condition in service.depends_on
            ]
            if all(answer for _, _, answer in answers):
                self.start(service, now)
        if self.outcome is None and not self.mains_are_done():
            for service in self.services:
                self.check_hope(service)

    def check_hope(self, service: Service) -> None:
        """End the job when a service waits for what can no longer happen."""
        if service.status != "waiting" or self.outcome is not None:
            return
        for need, condition in service.depends_on:
            if self.by_name[need].satisfies(condition) is False:
                service.status = "failed"
                service.failure_reason = "{} will never be {}".format(need, condition.replace("service_", "", 1))
                self.record.tell(service.name, "cannot start: " + service.failure_reason)
                self.decide("dependency_failed", 1, service, message=service.failure_reason)
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
        self.record.is_stale = True
        try:
            if service.readiness:
                service.probe = make_probe(
                    service, service.readiness, now, self.surroundings, self.logs, self.inbox.wake
                )
            self.logs.begin(service)
            log = self.logs.writer(service)
            try:
                service.process = subprocess.Popen(
                    ["bash", self.script, "step:" + service.name],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.secrets.given_to(service.secrets, self.surroundings.of_step(service)),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, Refused, ValueError) as error:
            service.status = "starting"
            self.record.tell(service.name, "could not be started: {}".format(error))
            self.ended(service, 127, None, now, "it could not be started: {}".format(error))
            return
        service.status = "starting" if service.readiness else "running"
        if service.time_limit_s is not None and not self.uses_srun(service):
            service.limit_at = now + service.time_limit_s  # of a step, Slurm takes care
        if is_restart:
            self.record.event("restarted", service.name, restart_count=service.window.restart_count, pid=service.pid)
        else:
            self.record.event("started", service.name, pid=service.pid)
        self.record.tell(service.name, "{} (pid {})".format("restarted" if is_restart else "started", service.pid))

    # -- watching

    def reap(self, now: float, wait_s: float = 0.0) -> None:
        """Take notice of every process that ended."""
        give_up_at = time.monotonic() + wait_s
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is not None:
                self.reap_one(found.si_pid, now)
                give_up_at = 0.0
            elif time.monotonic() >= give_up_at:
                return
            else:
                time.sleep(0.001)

    def reap_one(self, pid: int, now: float) -> None:
        """Take notice of one; while it is a zombie its pid still names its process group, and nothing else."""
        service = next((service for service in self.services if service.pid == pid), None)
        if service is not None and not self.uses_srun(service) and not service.stopping:
            send(pid, signal.SIGKILL)  # as Slurm does with what a task leaves behind
        elif self.hooks.owns(pid):
            send(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = 128 + signum if signum is not None else os.WEXITSTATUS(status)
        if service is None:
            self.hooks.ended(pid, code)
            self.tools.ended(pid, code)
        elif service.stopping and not self.uses_srun(service) and group_exists(pid):
            service.lingering = (code, signum)  # the rest of its group was told to stop too and has its grace time
        else:
            self.exited(service, code, signum, now)

    def advance(self, service: Service, now: float) -> None:
        """Its timers: readiness, back-off, grace."""
        probe = service.probe
        if probe is not None and now >= min(probe.next_at, probe.deadline):
            try:
                if now >= probe.next_at and probe.poll(now):
                    self.became_ready(service)
                elif now >= probe.deadline:
                    self.readiness_failed(service, "not ready in time: " + probe.what, now)
            except PatternTooSlow as error:
                self.readiness_failed(service, "its readiness cannot be told: {}".format(error), now)
        may_restart = self.outcome is None and not self.hooks.is_busy(service, "restart")
        if service.status == "backoff" and now >= service.relaunch_at and may_restart:
            self.start(service, now)
        if service.verdict_at is not None and now >= service.verdict_at and self.outcome is None:
            service.verdict_at = None
            self.failed(service, *service.verdict, now=now)
        if service.limit_at is not None and now >= service.limit_at:
            service.limit_at = None
            if service.is_alive and not service.stopping:
                self.stop(service, "time_limit", now)
        if service.kill_at is not None and now >= service.kill_at:
            self.kill(service, now)
        if service.lingering is not None and not group_exists(service.pid):
            self.exited(service, service.lingering[0], service.lingering[1], now)
        if service.kill_again_at is not None and now >= service.kill_again_at:
            service.kill_again_at = None
            send(service.pid, signal.SIGKILL)
        if service.is_alive and service.killed_at is not None and now >= service.killed_at + UNKILLABLE_S:
            self.record.tell(service.name, "did not die (pid {}); going on without it".format(service.pid))
            self.exited(service, 137, int(signal.SIGKILL), now)

    def became_ready(self, service: Service) -> None:
        """Its probe succeeded."""
        self.end_probe(service)
        service.status, service.ready_at = "ready", time.time()
        self.record.event("ready", service.name)
        self.record.tell(service.name, "ready")
        self.fire(service, "ready", service.last_exit_code)

    def readiness_failed(self, service: Service, why: str, now: float) -> None:
        """It was not ready in time: its policy decides."""
        self.end_probe(service)
        service.failure_reason = why
        self.record.event("readiness_failed", service.name, message=service.failure_reason)
        self.record.tell(service.name, service.failure_reason)
        if service.mode == "ignore":
            service.status = "running"
        elif service.mode == "restart_on_failure":
            self.stop(service, "readiness", now)
        else:
            service.status = "failed"
            self.decide("readiness_failed", 1, service, message=service.failure_reason)

    def exited(self, service: Service, code: int, signum: Optional[int], now: float) -> None:
        """Its process ended: write down how, then decide what follows."""
        service.last_exit_code, service.last_signal = code, signum
        self.logs.settle(service)
        if service.probe is not None and service.probe.last_look():
            self.became_ready(service)
        story = step_story(self.folder, service, code, self.uses_srun(service))
        if code != 0 and len(self.allocation.nodes) == 1:
            story.node = self.allocation.primary
        service.failed_task = (story.node, story.rank)
        self.record.exit(service, code, signum, self.allocation, story.node, story.rank)
        how = "ended by {}".format(signal_name(signum)) if signum is not None else "exited with {}".format(code)
        how = explained(how, code, story, service.stopping, self.early.name if service.was_warned else "")
        self.record.tell(service.name, how)
        self.ended(service, code, signum, now, how)

    def ended(self, service: Service, code: int, signum: Optional[int], now: float, how: str) -> None:
        """What follows from its end: nothing, a restart, or the end of the job."""
        was_told = service.stopping
        self.end_probe(service)
        self.record.index_log(service)
        if service.process is not None:
            service.process.returncode = code
        service.process, service.lingering, service.kill_at, service.finished_at = None, None, None, time.time()
        self.fire(service, "exit", code)
        service.limit_at = service.kill_again_at = None
        if was_told == "teardown" or (self.outcome is not None and code != 0):
            service.status = "failed" if service.status == "failed" else "stopped"
        elif was_told == "readiness":
            self.failed(service, code or 1, signum, how, now)
        elif service.ended_well(code):
            service.completed, service.status = True, "exited"
        elif self.is_slurm:
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
            self.record.tell(service.name, "its failure is ignored")
            return
        verdict = service.window.on_failure(now, at) if service.mode == "restart_on_failure" else "fail_job"
        if verdict == "restart" and self.outcome is None:
            service.status, service.relaunch_at = "backoff", now + service.backoff_s
            count = service.window.restart_count
            self.record.event("backoff", service.name, seconds=service.backoff_s, restart_count=count)
            text = "restart {} of {} in {:g} s".format(count, service.window.max_restarts, service.backoff_s)
            self.record.tell(service.name, text)
            self.fire(service, "restart", code)
            return
        service.status = "failed"
        cause = "service_failed"
        if verdict in ("gave_up", "window_exhausted"):
            cause = "restarts_exhausted" if verdict == "gave_up" else "window_exhausted"
            limit = "{} restarts".format(service.window.max_restarts)
            if verdict == "window_exhausted":
                limit = "{} restarts in {:g} s".format(service.window.max_in_window, service.window.window_s or 0)
            service.failure_reason = "{} after {}".format(service.failure_reason, limit)
            self.record.event(verdict, service.name, restart_count=service.window.restart_count)
            self.record.tell(service.name, "no restart: {} are used up".format(limit))
            self.fire(service, verdict, code)
        self.decide(cause, code, service, signum, service.failure_reason or how)

    def fire(self, service: Service, event: str, exit_code: Optional[int]) -> None:
        """Let the service's hooks for this event run."""
        if any(hook["on"] == event for hook in service.hooks):
            try:
                environment = self.secrets.given_to(service.secrets, self.surroundings.of_step(service))
            except SecretUnavailable as error:
                self.record.tell(service.name, "its {} hook is not run: {}".format(event, error))
                return
            self.hooks.fire(service, event, environment, exit_code, time.monotonic())

    def mains_are_done(self) -> bool:
        """Every main service has ended (every service, when none is main)."""
        mains = [service for service in self.services if service.is_main] or self.services
        return all(service.has_ended for service in mains)

    def judge(self) -> None:
        """The job is complete once every main service has ended well."""
        if self.outcome is None and self.mains_are_done():
            self.decide("completed", 0, message="every main service ended")

    def decide(
        self,
        cause: str,
        exit_code: int,
        service: Optional[Service] = None,
        signum: Optional[int] = None,
        message: str = "",
    ) -> None:
        """The job ends, for the first reason there is; only success gives way to a later failure or signal."""
        if self.outcome is not None and not (self.outcome.cause == "completed" and exit_code):
            return
        self.outcome = Outcome(cause, exit_code, service.name if service else None, signum, message)
        self.record.end(self.outcome)
        about = " ({})".format(self.outcome.service) if self.outcome.service else ""
        self.record.tell_job("ends: {}{}: {}".format(cause, about, message))

    # -- stopping

    def stop_what_may(self, now: float) -> None:
        """Tell every service to stop whose dependents have ended; when time runs out, all of them."""
        must_hurry = self.budget.hurry_at is not None and now >= self.budget.hurry_at
        for service in self.services:
            if not service.is_alive and not service.has_ended:
                is_own_failure = service.verdict_at is not None and self.budget.deadline is None
                service.status = "failed" if is_own_failure else "stopped" if service.launches else "skipped"
                service.failure_reason = service.verdict[2] if is_own_failure else service.failure_reason
                service.verdict_at = None
                self.record.is_stale = True
            if not service.is_alive or service.stopping == "teardown":
                continue
            if must_hurry or not any(self.by_name[name].is_alive for name in self.graph.dependents(service.name)):
                self.stop(service, "teardown", now)
        if self.budget.grace_end is not None and now >= self.budget.grace_end:
            for service in self.services:
                if service.is_alive and service.killed_at is None:
                    self.kill(service, now)

    def stop(self, service: Service, why: str, now: float) -> None:
        """TERM now, KILL after the grace time."""
        self.note_stop(service, why, now)
        self.signal_service(service, signal.SIGTERM)

    def note_stop(self, service: Service, why: str, now: float) -> None:
        """It has been told to stop."""
        was_told = service.stopping
        service.stopping = why
        if service.killed_at is None:
            kill_at = now + self.budget.grace_s
            if was_told and service.kill_at is not None:
                kill_at = min(kill_at, service.kill_at)
            service.kill_at = kill_at if self.budget.grace_end is None else min(kill_at, self.budget.grace_end)
        self.end_probe(service)
        self.record.event("stopping", service.name)
        self.record.tell(service.name, "stopping")

    def kill(self, service: Service, now: float) -> None:
        """The grace time is over."""
        service.kill_at, service.killed_at = None, now
        service.stopping = service.stopping or "teardown"
        self.record.event("killed", service.name)
        self.record.tell(service.name, "killed after its grace time")
        if not self.uses_srun(service) or not self.steps.kill(service):
            send(service.pid, signal.SIGKILL)
        else:
            service.kill_again_at = now + SRUN_KILL_S

    def uses_srun(self, service: Service) -> bool:
        """Its process is srun, which passes signals on in ways of its own."""
        return self.is_slurm and service.launch == "srun"

    def signal_service(self, service: Service, signum: int) -> None:
        """Deliver a signal to the service's own processes."""
        if not self.uses_srun(service):
            send(service.pid, signum)
            if signum == signal.SIGTERM:
                send(service.pid, signal.SIGCONT)  # one that was stopped must wake up to end
        else:
            self.steps.signal(service, signum)

    def stop_after_error(self) -> None:
        """Stop the services although something in here went wrong."""
        try:
            self.loop()
        except Exception as error:  # noqa: BLE001 - the last resort kills them
            self.explain(error)
            for service in self.services:
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

    def kill_what_is_left(self) -> None:
        """Kill what the services left running outside of their process groups."""
        if not self.owns_processes:
            return
        give_up_at = time.monotonic() + UNKILLABLE_S
        while time.monotonic() < give_up_at:
            self.reap(time.monotonic())
            left = set(descendants(os.getpid())) - self.tools.pids
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            self.reap(time.monotonic(), wait_s=0.05)

    def finish(self) -> int:
        """What comes after the last service: artifacts, final state, last event."""
        self.hooks.stop()
        self.end_sampling()
        self.tools.kill()
        self.kill_what_is_left()
        self.logs.close()
        self.logs.tell(self.record)
        for step in (self.check_assertions, self.collect_artifacts):
            try:
                step()
            except (OSError, Refused) as error:
                complain("the results cannot be collected: {}".format(error))
            except Exception as error:  # noqa: BLE001 - what became of the results never keeps the state from being written
                self.explain(error)
        self.ending.take_signals(time.monotonic())
        outcome = self.outcome
        assert outcome is not None
        for service in self.services:
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
            self.reap(now)
            self.tools.kill(before=now)
            self.state_file.write_due(now)
            self.sampling.advance(now, must_end=self.budget.deadline is not None)
            self.wait(now)
            now = time.monotonic()
        self.sampling.write_last()

    # -- results

    def check_assertions(self) -> None:
        """A job that went well so far fails by the first service whose assertions do not hold."""
        is_success = self.outcome is not None and self.outcome.cause == "completed"
        collector = ArtifactCollector(self.folder, {}, self.teardown_clock())
        for service in check_assertions(self.services, collector.paths, is_success):
            message = "assertion failed: " + "; ".join(service.assertion_failures)
            self.record.event("assertion_failed", service.name, failures=service.assertion_failures)
            self.record.tell(service.name, message)
            service.failure_reason = service.failure_reason or message
            self.decide("assertion_failed", 1, service, message=message)

    def teardown_clock(self) -> Callable[[], bool]:
        """Asked while files are looked through: keeps the job's state fresh, and says whether there is time to go on."""
        give_up_at = time.monotonic() + float(self.description.get("artifacts_deadline_s") or 60)

        def may_go_on() -> bool:
            now = time.monotonic()
            self.ending.take_signals(now)
            self.state_file.write_due(now)
            return now < (give_up_at if self.budget.deadline is None else min(give_up_at, self.budget.deadline))

        return may_go_on

    def collect_artifacts(self) -> None:
        """Copy the declared artifacts when the policy asks for them."""
        rules = self.description.get("artifacts")
        assert self.outcome is not None
        is_success = self.outcome.cause == "completed"
        if not rules or rules.get("collect", "always") not in ("always", "on_success" if is_success else "on_failure"):
            return
        found = ArtifactCollector(self.folder, rules.get("bundles") or {}, self.teardown_clock()).collect()
        self.record.manifest(rules.get("collect", "always"), is_success, found)

    def end_probe(self, service: Service) -> None:
        """It is not asked any more."""
        if service.probe is not None:
            service.probe.close()
            service.probe = None
