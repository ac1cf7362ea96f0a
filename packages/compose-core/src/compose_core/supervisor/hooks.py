"""Scripts of the user that run on this host: hooks beside the loop, and the files of prologues and epilogues."""

import os
import signal
import subprocess
import time
from typing import Dict, List, Optional, Tuple

from compose_core.supervisor.files import JobFolder, Json, write_new
from compose_core.supervisor.host import send
from compose_core.supervisor.record import Record
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import Refused

HOOK_FOLDER = "hooks"
HOOK_TIMEOUT_S = 30.0
HOOK_KILL_AFTER_S = 2.0
"""Between the TERM for a hook whose time is over and its KILL."""
HOOK_LAST_S = 1.0
"""What hooks get at least once the last service has ended, when the time for teardown is short."""


class HookRun:
    """One run of one hook: waiting, running, or told to stop."""

    def __init__(self, service: Service, on: str, file_name: str, environment: Dict[str, str]) -> None:
        self.service = service
        self.on = on
        self.file_name = file_name
        self.environment = environment
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.act_at = float("inf")
        self.timed_out = False

    @property
    def pid(self) -> int:
        """Its process, which leads a process group; 0 for none."""
        return self.process.pid if self.process is not None else 0


class Hooks:
    """The hooks of all services; those of one event of one service run one after the other."""

    def __init__(self, script: str, folder: JobFolder, logs: ServiceLogs, record: Record, timeout_s: float) -> None:
        self._script = script
        self._folder = folder
        self._logs = logs
        self._record = record
        self._timeout_s = timeout_s
        self._queues: Dict[Tuple[str, str], List[HookRun]] = {}
        self._last_call = float("inf")
        self._first_call: Optional[float] = None

    def write_scripts(self, services: List[Service]) -> None:
        """Every script that runs on this host as a file, so that a full disk later on keeps none of them from running."""
        for service in services:
            for name, text in host_scripts(service).items():
                write_new(name, text.encode("utf-8", "surrogateescape"), self._folder.folder(HOOK_FOLDER))

    def fire(
        self, service: Service, on: str, environment: Dict[str, str], exit_code: Optional[int], now: float
    ) -> None:
        """Let the hooks of this event run, with the figures of this moment."""
        for number, hook in enumerate(service.hooks):
            if hook["on"] == on:
                variables = hook_variables(service, on, exit_code, self._folder.path, now)
                run = HookRun(service, on, hook_file(service, number), dict(environment, **variables))
                self._queues.setdefault((service.name, on), []).append(run)

    def advance(self, now: float) -> None:
        """Start what may start, end what takes too long."""
        for key, queue in list(self._queues.items()):
            while queue and not queue[0].pid and not self._start(queue[0], now):
                queue.pop(0)
            if not queue:
                del self._queues[key]
            elif now >= queue[0].act_at:
                self._end(queue[0], now)

    def is_busy(self, service: Service, on: str) -> bool:
        """Hooks of this event are waiting or running."""
        return (service.name, on) in self._queues

    def owns(self, pid: int) -> bool:
        """It is the process of a hook."""
        return any(queue[0].pid == pid for queue in self._queues.values())

    def ended(self, pid: int, status: int) -> None:
        """Write down how it ended; the next one of its event may run."""
        for key, queue in list(self._queues.items()):
            if queue[0].pid == pid:
                self._tell(queue.pop(0), status)
                if not queue:
                    del self._queues[key]

    @property
    def next_at(self) -> float:
        """When one has to be started or ended."""
        waiting = [queue[0].act_at if queue[0].pid else 0.0 for queue in self._queues.values()]
        return min(waiting + [self._last_call] if waiting else [float("inf")])

    def are_over(self, now: float, grace_end: Optional[float]) -> bool:
        """Nothing is left to wait for at the end of the job: all have run, or their time is over."""
        if self._first_call is None:
            self._first_call, self._last_call = now, now + self._timeout_s
        if grace_end is not None:
            self._last_call = min(self._last_call, max(grace_end, self._first_call + HOOK_LAST_S))
        return not self._queues or now >= self._last_call

    def stop(self) -> None:
        """Kill those that still run; those that wait will not run."""
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            if queue[0].pid:
                send(queue[0].pid, signal.SIGKILL)
        for queue in queues.values():
            for run in queue:
                if run.pid:
                    run.timed_out = True
                    self._tell(run, _reaped(run.pid))
                else:
                    self._record.tell(run.service.name, "its {} hook is not run: the job ends".format(run.on))

    def _start(self, run: HookRun, now: float) -> bool:
        path = os.path.join(self._folder.path, HOOK_FOLDER, run.file_name)
        try:
            log = self._logs.writer(run.service)
            try:
                run.process = subprocess.Popen(
                    ["bash", self._script, "hook:" + run.service.name, path],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=run.environment,
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, Refused, ValueError) as error:
            self._record.event("hook", run.service.name, on=run.on, exit_code=127, timed_out=False)
            self._record.tell(run.service.name, "its {} hook could not be started: {}".format(run.on, error))
            return False
        run.act_at = now + self._timeout_s
        return True

    def _end(self, run: HookRun, now: float) -> None:
        """TERM, and KILL at the next call."""
        send(run.pid, signal.SIGKILL if run.timed_out else signal.SIGTERM)
        run.act_at = float("inf") if run.timed_out else now + HOOK_KILL_AFTER_S
        run.timed_out = True

    def _tell(self, run: HookRun, status: int) -> None:
        assert run.process is not None
        run.process.returncode = status
        self._record.event("hook", run.service.name, on=run.on, exit_code=status, timed_out=run.timed_out)
        if run.timed_out:
            self._record.tell(run.service.name, "its {} hook took too long and was ended".format(run.on))
        elif status:
            self._record.tell(
                run.service.name, "its {} hook ended with {}, which changes nothing".format(run.on, status)
            )


def hook_file(service: Service, number: int) -> str:
    """The name of the file with the hook's text."""
    return "{}.hook{}.sh".format(service.token, number)


def host_scripts(service: Service) -> Dict[str, str]:
    """File name to text of everything that runs on this host for the service."""
    scripts = {hook_file(service, number): str(hook["script"]) for number, hook in enumerate(service.hooks)}
    for kind, text in service.around.items():
        scripts["{}.{}.sh".format(service.token, kind)] = text
    return scripts


def hook_variables(service: Service, on: str, exit_code: Optional[int], job_folder: str, now: float) -> Dict[str, str]:
    """What a hook is told of the event, beside the variables of the service."""
    values: Json = {
        "HOOK_PHASE": on,
        "HOOK_EVENT": on,
        "SERVICE_LOG": os.path.join(job_folder, "logs", service.log_name),
        "SERVICE_EXIT_CODE": exit_code,
        "RESTART_COUNT": service.window.restart_count,
        "MAX_RESTARTS": service.window.max_restarts,
        "WINDOW_SECONDS": None if service.window.window_s is None else "{:g}".format(service.window.window_s),
        "MAX_RESTARTS_IN_WINDOW": service.window.max_in_window,
        "RESTART_FAILURES_IN_WINDOW": len(service.window.timestamps(now)),
    }
    return {"HPC_COMPOSE_" + name: "" if value is None else str(value) for name, value in values.items()}


def _reaped(pid: int) -> int:
    """The exit status of a process that was just killed; 137 also for one that does not die."""
    for _ in range(100):
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            break
        if found:
            return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        time.sleep(0.01)
    return 137
