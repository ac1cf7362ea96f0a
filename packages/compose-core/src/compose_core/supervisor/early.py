"""The early warning of `x-slurm.signal`: once to each main service, some time before the time limit."""

import re
import signal
import time
from typing import List, Optional

from compose_core.supervisor.budget import Budget
from compose_core.supervisor.files import Json
from compose_core.supervisor.job import Job
from compose_core.supervisor.service import Service
from compose_core.supervisor.steps import Steps, Tools
from compose_core.supervisor.stopping import Stopping
from compose_core.supervisor.talk import signal_name

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
ASK_AGAIN_S = 30.0
TWICE_S = 10.0
"""Slurm delivers a signal twice at times; what comes later than this is another one."""
EARLY_ENOUGH_S = 1.0
"""squeue tells whole seconds."""
TIME_LEFT_FORM = re.compile(r"(?:(?:([0-9]+)-)?([0-9]+):)?([0-9]+):([0-9]+)")


def time_left_s(text: str) -> Optional[float]:
    """What squeue shows as `%L`, such as `1-02:03:04` or `4:56`; None for UNLIMITED, NOT_SET and INVALID."""
    found = TIME_LEFT_FORM.fullmatch(text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


class EarlyWarning:
    """Hands the warning on when Slurm sends it to this program; sends it by the clock when nobody else has by then."""

    def __init__(
        self,
        rule: Optional[Json],
        job: Job,
        stopping: Stopping,
        budget: Budget,
        steps: Steps,
        tools: Tools,
        slurm_job_id: str,
    ) -> None:
        self.signum = int(getattr(signal, "SIG" + rule["name"], 0)) if rule else 0
        self.sent_at: Optional[float] = None
        """Epoch seconds."""
        self._before_s = float(rule["at_seconds"]) if rule else 0.0
        self._from_slurm = bool(rule) and job.is_slurm and self.signum not in (signal.SIGTERM, signal.SIGINT)
        self._meant_until = float("inf")
        self._job = job
        self._stopping = stopping
        self._steps = steps
        self._tools = tools
        self._slurm_job_id = slurm_job_id
        self._undelivered: List[Service] = []
        self._retry_at = float("inf")
        self._retry_s = FIRST_RETRY_S
        self._due = float("inf")
        self._limit_is_known = budget.limit_at is not None
        if rule and budget.limit_at is not None:
            self._due = budget.limit_at - self._before_s
        elif rule and job.is_slurm:
            self._due = 0.0  # the limit is the site's: it is asked for at once

    @property
    def name(self) -> str:
        """The signal's name; empty without a warning."""
        return signal_name(self.signum) if self.signum else ""

    @property
    def next_at(self) -> float:
        """When it wants its turn."""
        return min(self._due, self._retry_at) if self._job.outcome is None else float("inf")

    def is_meant(self, signum: int) -> bool:
        """A signal that arrived is the warning: Slurm sends it to the batch script alone, and once."""
        return self._from_slurm and signum == self.signum and time.monotonic() < self._meant_until

    def advance(self, now: float) -> None:
        """Send it when it is due, and again to steps that could not be reached yet."""
        if self._job.outcome is not None:
            return
        if now >= self._due:
            self._due = float("inf")
            if self._job.is_slurm:
                argv = ["squeue", "-h", "-j", self._slurm_job_id, "-o", "%L"]
                self._tools.start(argv, self._take_time_left)
            else:
                self.send("clock")
        if now >= self._retry_at:
            self._retry_at = float("inf")
            waiting, self._undelivered = self._undelivered, []
            for service in waiting:
                self._deliver(service)

    def send(self, source: str) -> None:
        """The warning goes to every main service that runs; `source` is `slurm` or `clock`."""
        if source == "slurm" and self._meant_until == float("inf"):
            self._meant_until = time.monotonic() + TWICE_S
        if self.sent_at is not None or self._job.outcome is not None:
            return
        self.sent_at = time.time()
        self._due = float("inf")
        reached = [service for service in self._job.mains if service.is_alive and not service.stopping]
        names = [service.name for service in reached]
        self._job.record.event("early_signal", signal=self.signum, source=source, services=names)
        shown = ", ".join(names) or "no service: none is running"
        self._job.record.tell_job("{}, the early warning, goes to {}".format(self.name, shown))
        for service in reached:
            self._deliver(service)

    def _deliver(self, service: Service) -> None:
        if not service.is_alive or service.stopping:
            return
        service.was_warned = True
        if self._stopping.uses_srun(service):
            self._steps.signal(service, self.signum, self._not_delivered)
        else:
            self._stopping.signal(service, self.signum)

    def _not_delivered(self, service: Service) -> None:
        """Its step is not there yet, or Slurm does not answer: srun itself is no way, for it might end its tasks."""
        service.was_warned = False
        self._undelivered.append(service)
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 1.5)

    def _take_time_left(self, status: int, output: str) -> None:
        """The limit may have been moved, so Slurm is asked before the clock decides."""
        left_s = time_left_s(output) if status == 0 else None
        if status == 0 and output.strip() in ("UNLIMITED", "NOT_SET"):
            return
        if left_s is None and status == 0 and output.strip():
            left_s = 0.0  # INVALID: the limit has passed
        if left_s is None and self._limit_is_known:
            self.send("clock")  # no answer, so the limit that was asked for counts
        elif left_s is None:
            self._due = time.monotonic() + ASK_AGAIN_S
        elif left_s <= self._before_s + EARLY_ENOUGH_S:
            self.send("clock")
        else:
            self._due = time.monotonic() + left_s - self._before_s
