"""The loop: samples when they are due, until standard input ends."""

import os
import select
import signal
import socket
import time
from typing import Any, Dict, List

from compose_core.sampler.collector import Collector
from compose_core.sampler.cpu import CpuCollector
from compose_core.sampler.diagnostics import Diagnostics
from compose_core.sampler.gpu import GpuCollector
from compose_core.sampler.owners import Owners
from compose_core.sampler.report import Reporter
from compose_core.sampler.sstat import StepCollector
from compose_core.supervisor.files import Json

STDIN = 0
LAST_SAMPLE_S = 4.5
"""How long the last sample may take."""


class Sampler:
    """Everything that is sampled on this node."""

    def __init__(self, settings: Json, environment: Dict[str, str]) -> None:
        node = environment.get("SLURMD_NODENAME") or socket.gethostname()
        self._reporter = Reporter(node)
        is_first = environment.get("SLURM_PROCID", "0") == "0"
        self._reporter.hello(hello=True, step_id=environment.get("SLURM_STEP_ID"), pid=os.getpid())
        owners = Owners(settings["job_id"], environment.get("SLURM_JOB_ID", "") if settings["is_slurm"] else "")
        self._diagnostics = Diagnostics(settings["metrics_folder"], node, environment)
        self._collectors: List[Collector] = []
        for name in settings["collectors"]:
            if name == "gpu":
                keep = self._diagnostics.keep
                self._collectors.append(GpuCollector(settings, self._reporter, environment, owners, keep))
            elif name == "cpu":
                self._collectors.append(CpuCollector(settings, self._reporter, environment))
            elif name == "slurm" and is_first and settings["is_slurm"]:
                self._collectors.append(StepCollector(settings, self._reporter, environment, owners))
        self._wake, self._waker = os.pipe()
        for descriptor in (self._wake, self._waker):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Until standard input ends, then once more."""
        self._catch_signals()
        while True:
            now = time.monotonic()
            self._diagnostics.advance()
            for collector in self._collectors:
                collector.advance(now)
            if self._wait([collector.wake_at for collector in self._collectors] + [self._diagnostics.wake_at], [STDIN]):
                break
        self._diagnostics.stop()
        self._take_last()

    def _take_last(self) -> None:
        """One more sample of each; a sample that is being taken is the last one."""
        give_up_at = time.monotonic() + LAST_SAMPLE_S
        wanted = {collector.name: collector.samples + 1 for collector in self._collectors}
        for collector in self._collectors:
            collector.next_at = 0.0 if collector.is_idle else float("inf")
        while time.monotonic() < give_up_at:
            for collector in self._collectors:
                if collector.samples < wanted[collector.name]:
                    collector.advance(time.monotonic())
            left = [collector for collector in self._collectors if collector.samples < wanted[collector.name]]
            if not left:
                break
            self._wait([collector.wake_at for collector in left if not collector.is_idle] + [give_up_at], [])
        self._kill_probes()

    def _wait(self, wake_at: List[float], also: List[int]) -> bool:
        """Sleep until something is to do; True when one of `also` has something to say."""
        pipes = [pipe for collector in self._collectors for pipe in collector.probe.pipes] + self._diagnostics.pipes
        timeout = max(0.0, min(*wake_at, time.monotonic() + 3600) - time.monotonic())
        ready, _, _ = select.select([self._wake, *also, *pipes], [], [], timeout)
        if self._wake in ready:
            os.read(self._wake, 65536)
        return any(descriptor in ready and not os.read(descriptor, 4096) for descriptor in also)

    def _catch_signals(self) -> None:
        """An ended program wakes the loop; TERM ends this one at once; a warning to all steps is not for us."""
        for signum in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM):
            signal.signal(signum, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        signal.set_wakeup_fd(self._waker)
        signal.signal(signal.SIGTERM, self._end_now)

    def _end_now(self, _signum: int, _frame: Any) -> None:
        self._kill_probes()
        os._exit(0)

    def _kill_probes(self) -> None:
        self._diagnostics.stop()
        for collector in self._collectors:
            collector.probe.kill()


def run_sampler(settings: Json) -> None:
    """The whole program; ends quietly when nobody reads its rows any more."""
    os.umask(0o077)
    try:
        Sampler(settings, dict(os.environ)).run()
    except BrokenPipeError:
        pass
    os._exit(0)
