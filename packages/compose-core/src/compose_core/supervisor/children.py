"""The processes that this program started: taken notice of as they end, killed when they are left over."""

import os
import signal
import time

from compose_core.supervisor.consequences import Consequences
from compose_core.supervisor.hooks import Hooks
from compose_core.supervisor.host import descendants, group_exists, send
from compose_core.supervisor.job import Job
from compose_core.supervisor.steps import Tools
from compose_core.supervisor.stopping import UNKILLABLE_S, Stopping


class Children:
    """Waits for services, hooks and tools, and hands each end to whom it concerns."""

    def __init__(self, job: Job, hooks: Hooks, tools: Tools, stopping: Stopping, consequences: Consequences) -> None:
        self._job = job
        self._hooks = hooks
        self._tools = tools
        self._stopping = stopping
        self._consequences = consequences

    def reap(self, now: float, wait_s: float = 0.0) -> None:
        """Take notice of every process that ended."""
        give_up_at = time.monotonic() + wait_s
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is not None:
                self._reap_one(found.si_pid, now)
                give_up_at = 0.0
            elif time.monotonic() >= give_up_at:
                return
            else:
                time.sleep(0.001)

    def _reap_one(self, pid: int, now: float) -> None:
        """Take notice of one; while it is a zombie its pid still names its process group, and nothing else."""
        service = next((service for service in self._job.services if service.pid == pid), None)
        if service is not None and not self._stopping.uses_srun(service) and not service.stopping:
            send(pid, signal.SIGKILL)  # as Slurm does with what a task leaves behind
        elif self._hooks.owns(pid):
            send(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = 128 + signum if signum is not None else os.WEXITSTATUS(status)
        if service is None:
            self._hooks.ended(pid, code)
            self._tools.ended(pid, code)
        elif service.stopping and not self._stopping.uses_srun(service) and group_exists(pid):
            service.lingering = (code, signum)  # the rest of its group was told to stop too and has its grace time
        else:
            self._consequences.exited(service, code, signum, now)

    def kill_what_is_left(self) -> None:
        """Kill what the services left running outside of their process groups."""
        give_up_at = time.monotonic() + UNKILLABLE_S
        while time.monotonic() < give_up_at:
            self.reap(time.monotonic())
            left = set(descendants(os.getpid())) - self._tools.pids
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            self.reap(time.monotonic(), wait_s=0.05)
