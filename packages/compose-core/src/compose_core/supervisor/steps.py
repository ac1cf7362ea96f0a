"""Slurm's steps: their ids, and signals that reach the tasks themselves."""

import os
import re
import signal
import subprocess
import time
from typing import Callable, Dict, List, Optional, Set, Tuple

from compose_core.supervisor.allocation import TOOL_TIMEOUT_S
from compose_core.supervisor.files import READ_LIMIT
from compose_core.supervisor.host import send
from compose_core.supervisor.readiness import LINE_LIMIT
from compose_core.supervisor.record import Record
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import signal_name

SCANCEL_DELIVERED = (0, 225)
"""225 is what scancel answers for a step on one node of several, although the signal arrived."""
Undelivered = Callable[[Service], None]
STEP_ID_FORM = re.compile(r"[0-9_+]+\.[0-9]+(?:\+[0-9]+)?")


class Tool:
    """A program of Slurm that runs beside the loop; its answer goes to `then(exit status, output)`."""

    def __init__(self, argv: List[str], then: Callable[[int, str], None]) -> None:
        self.then = then
        self.kill_at = time.monotonic() + TOOL_TIMEOUT_S
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        assert self.process.stdout is not None
        self.pipe = self.process.stdout.fileno()
        os.set_blocking(self.pipe, False)
        self._output = b""

    def read(self) -> None:
        """Take what it has printed so far, so that it never waits for us."""
        try:
            while True:
                data = os.read(self.pipe, LINE_LIMIT)
                if not data:
                    return
                self._output = (self._output + data)[:READ_LIMIT]
        except BlockingIOError:
            pass

    def ended(self, status: int) -> None:
        """Hand the answer over."""
        self.read()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.returncode = status
        self.then(status, self._output.decode("utf-8", "replace"))


class Tools:
    """The programs of Slurm that run beside the loop."""

    def __init__(self) -> None:
        self._running: Dict[int, Tool] = {}

    def start(self, argv: List[str], then: Callable[[int, str], None]) -> None:
        """Start one; `then` gets 127 at once when it cannot be started."""
        try:
            tool = Tool(argv, then)
        except OSError as error:
            then(127, str(error))
            return
        self.add(tool)

    def add(self, tool: Tool) -> None:
        """One more that is watched: it is read from, reaped, and killed when its time is over."""
        self._running[tool.process.pid] = tool

    def ended(self, pid: int, status: int) -> None:
        """Hand over the answer of the one that had this pid; others are no concern of ours."""
        tool = self._running.pop(pid, None)
        if tool is not None:
            tool.ended(status)

    def kill(self, before: float = float("inf")) -> None:
        """Kill those whose time is over at `before`; all of them without it."""
        for tool in self._running.values():
            if tool.kill_at <= before:
                send(tool.process.pid, signal.SIGKILL)
                tool.kill_at = float("inf")

    @property
    def pids(self) -> Set[int]:
        """Their processes."""
        return set(self._running)

    @property
    def pipes(self) -> Dict[int, Tool]:
        """What to wait for."""
        return {tool.pipe: tool for tool in self._running.values()}

    @property
    def next_at(self) -> float:
        """When the next one has to be killed."""
        return min([tool.kill_at for tool in self._running.values()] or [float("inf")])


class Steps:
    """Signals to the steps of this job.

    TERM to srun kills its tasks at once, so a step is signalled through scancel, by the id that squeue tells.
    """

    def __init__(self, job_id: str, tools: Tools, record: Record, services: List[Service]) -> None:
        self._job_id = job_id
        self._tools = tools
        self._record = record
        self._services = services
        self._waiting: List[Tuple[Service, "subprocess.Popen[bytes]", int, Optional[Undelivered]]] = []

    def signal(self, service: Service, signum: int, undelivered: Optional[Undelivered] = None) -> None:
        """Deliver a signal to the processes of a step, as soon as its id is known.

        When Slurm does not take it, `undelivered` is told; without it, srun itself gets the signal.
        """
        if service.process is None:
            return
        if service.step_id is not None:
            self._scancel(service, service.process, signum, undelivered)
            return
        self._waiting.append((service, service.process, signum, undelivered))
        if len(self._waiting) == 1:
            argv = ["squeue", "--steps", "-h", "-j", self._job_id, "-o", "%i|%j"]
            self._tools.start(argv, self._take_ids)

    def kill(self, service: Service) -> bool:
        """KILL to the processes of a step, after which its srun ends; False when its id is not known.

        Where Slurm refuses, because it is ending the whole job itself, srun is killed and the tasks follow when Slurm kills them.
        """
        process = service.process
        if process is None or service.step_id is None:
            return False

        def answered(status: int, _output: str) -> None:
            if status not in SCANCEL_DELIVERED and service.process is process:
                send(process.pid, signal.SIGKILL)

        self._tools.start(["scancel", "--signal=KILL", service.step_id], answered)
        return True

    def _take_ids(self, status: int, output: str) -> None:
        ids: Dict[str, List[str]] = {}
        for line in output.splitlines() if status == 0 else ():
            step_id, _, name = line.strip().partition("|")
            if STEP_ID_FORM.fullmatch(step_id):
                ids.setdefault(name, []).append(step_id)
        for service in self._services:
            if service.is_alive and service.step_name in ids:  # the newest one, when an earlier run still lingers
                service.step_id = max(
                    ids[service.step_name], key=lambda text: int(text.partition(".")[2].partition("+")[0])
                )
        waiting, self._waiting = self._waiting, []
        for service, process, signum, undelivered in waiting:
            if service.process is not process:
                continue  # it ended, or is another run by now
            if service.step_id is not None:
                self._scancel(service, process, signum, undelivered)
            elif undelivered is not None:
                undelivered(service)
            else:  # no step yet, or no answer: srun itself is all there is
                self._record.tell(service.name, "its step is not known: {} goes to srun".format(signal_name(signum)))
                send(process.pid, signum)

    def _scancel(
        self,
        service: Service,
        process: "subprocess.Popen[bytes]",
        signum: int,
        undelivered: Optional[Undelivered],
    ) -> None:
        def answered(status: int, output: str) -> None:
            if status not in SCANCEL_DELIVERED and service.process is process:
                self._record.tell(service.name, "scancel answered {}: {}".format(status, output.strip()))
                if undelivered is not None:
                    undelivered(service)
                else:
                    send(process.pid, signum)

        argv = ["scancel", "--signal=" + signal_name(signum)[3:], str(service.step_id)]
        self._tools.start(argv, answered)
