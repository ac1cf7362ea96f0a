"""Signals from outside, the time limit, and the time that is left for teardown."""

import os
import signal
import time
from typing import Any, Dict, List, Optional

from compose_core.supervisor.files import Json
from compose_core.supervisor.host import kill_wait_s
from compose_core.supervisor.record import Outcome, Record
from compose_core.supervisor.service import Service

KILL_WAIT_RESERVE_S = 2.0
SLURM_CONT_S = 5.0
"""Slurm sends CONT right before TERM to a whole job; a TERM without it reached the batch script alone."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


class Stoppable:
    """A job, as far as its ending needs it."""

    record: Record
    services: List[Service]
    outcome: Optional[Outcome]
    is_slurm: bool

    def decide(
        self,
        cause: str,
        exit_code: int,
        service: Optional[Service] = None,
        signum: Optional[int] = None,
        message: str = "",
    ) -> None:
        """The job ends for this reason, unless there is one already."""
        raise NotImplementedError

    def note_stop(self, service: Service, why: str, now: float) -> None:
        """The service has been told to stop."""
        raise NotImplementedError

    def signal_service(self, service: Service, signum: int) -> None:
        """Deliver a signal to the service's own processes."""
        raise NotImplementedError

    def uses_srun(self, service: Service) -> bool:
        """Its process is srun, which passes signals on in ways of its own."""
        raise NotImplementedError


class SignalInbox:
    """The signals that arrived, and the pipe that wakes the loop for them."""

    def __init__(self) -> None:
        self._received: List[int] = []
        self.reader, self._writer = os.pipe()
        for descriptor in (self.reader, self._writer):
            os.set_blocking(descriptor, False)

    def catch(self) -> None:
        """From now on a signal wakes the loop, and is handled there."""
        for signum in STOP_SIGNALS + FORWARDED_SIGNALS + (signal.SIGCONT, signal.SIGCHLD):
            is_unwanted = signum in (signal.SIGHUP, signal.SIGINT) and signal.getsignal(signum) == signal.SIG_IGN
            if not is_unwanted:  # nohup and background jobs of a shell ignore these two
                signal.signal(signum, self._note)
        signal.set_wakeup_fd(self._writer)

    def take(self) -> List[int]:
        """What arrived since the last call."""
        received, self._received[:] = list(self._received), []
        return received

    def wake(self) -> None:
        """Wake the loop from a thread."""
        try:
            os.write(self._writer, b"\0")
        except OSError:
            pass  # the pipe is full, so it is awake

    def _note(self, signum: int, _frame: Any) -> None:
        """Remember it; children are asked for anyway."""
        if signum != signal.SIGCHLD:
            self._received.append(signum)


class Budget:
    """How long the job may run, and how long its teardown may take."""

    def __init__(self, description: Json, environment: Dict[str, str], began: float) -> None:
        self.grace_s = float(description.get("stop_grace_s", 30))
        self.limit_s: Optional[float] = description.get("time_limit_s")
        self.limit_at: Optional[float] = None if self.limit_s is None else began + self.limit_s
        self.hurry_at: Optional[float] = None
        self.grace_end: Optional[float] = None
        self.deadline: Optional[float] = None
        self._has_artifacts = bool(description.get("artifacts"))
        self._environment = environment

    def is_over(self, now: float) -> bool:
        """The time limit has passed, or nearly."""
        end = self._environment.get("SLURM_JOB_END_TIME", "")
        if end.isdigit() and time.time() >= int(end) - 1:
            return True
        return self.limit_at is not None and now >= self.limit_at - 1

    def set(self, now: float) -> None:
        """Share the time until Slurm kills between the services' grace and the artifacts."""
        budget = max(1.0, kill_wait_s(self._environment) - KILL_WAIT_RESERVE_S)
        self.deadline = now + budget
        reserve = budget / 3 if self._has_artifacts else min(2.0, budget / 3)
        self.grace_end = now + min(self.grace_s, budget - reserve)
        self.hurry_at = now + (self.grace_end - now) / 2


class Ending:
    """What signals and the clock do to a job."""

    def __init__(self, job: Stoppable, budget: Budget, inbox: SignalInbox) -> None:
        self._job = job
        self._budget = budget
        self._inbox = inbox
        self._cont_at: Optional[float] = None

    def take_signals(self, now: float) -> None:
        """What arrived since the last turn; CONT first, because it tells what a TERM beside it means."""
        received = self._inbox.take()
        if signal.SIGCONT in received:
            self._cont_at = now
        for signum in received:
            if signum in FORWARDED_SIGNALS:
                self._forward(signum)
            elif signum in STOP_SIGNALS:
                self._stop_by_signal(signum, now)

    def enforce_time_limit(self, now: float) -> None:
        """On this machine nobody else ends a job whose time is over."""
        limit_at = self._budget.limit_at
        if not self._job.is_slurm and limit_at is not None and self._job.outcome is None and now >= limit_at:
            self._job.decide("time_limit", 128 + signal.SIGTERM, message="the time limit was reached")

    @property
    def next_at(self) -> float:
        """When the clock wants something next."""
        if self._job.outcome is not None or self._job.is_slurm or self._budget.limit_at is None:
            return float("inf")
        return self._budget.limit_at

    def _forward(self, signum: int) -> None:
        self._job.record.event("signal", signal=signum)
        self._job.record.tell_job("{} goes to the services".format(signal.Signals(signum).name))
        for service in self._job.services:
            if service.is_alive and self._job.outcome is None:
                self._job.signal_service(service, signum)

    def _stop_by_signal(self, signum: int, now: float) -> None:
        """The job is told to end: all of teardown fits into what Slurm leaves before it kills."""
        job, budget = self._job, self._budget
        job.record.event("signal", signal=signum)
        job.record.tell_job("{} received".format(signal.Signals(signum).name))
        cause = "cancelled" if signum in (signal.SIGTERM, signal.SIGINT) else "signal"
        if signum == signal.SIGTERM and budget.is_over(now):
            cause = "time_limit"
        is_first = budget.deadline is None
        if is_first:
            budget.set(now)
        job.decide(cause, 128 + signum, signum=signum, message="{} received".format(signal.Signals(signum).name))
        for service in job.services:
            if service.is_alive and service.kill_at is not None and budget.grace_end is not None:
                service.kill_at = min(service.kill_at, budget.grace_end)
        whole_job = self._cont_at is not None and now - self._cont_at <= SLURM_CONT_S
        if is_first and job.is_slurm and signum == signal.SIGTERM and whole_job:
            for service in job.services:  # their steps got TERM from Slurm together with us
                if service.is_alive and job.uses_srun(service) and not service.stopping:
                    job.note_stop(service, "teardown", now)
