"""What signals from outside and the clock do to a job."""

import os
import signal
from typing import Any, List, Optional, Set

from compose_core.supervisor.budget import Budget
from compose_core.supervisor.early import EarlyWarning
from compose_core.supervisor.job import Job
from compose_core.supervisor.notices import BatchLog
from compose_core.supervisor.stopping import Stopping
from compose_core.supervisor.talk import signal_name

SLURM_CONT_S = 5.0
"""Slurm sends CONT right before TERM to a whole job; a TERM without it reached the batch script alone."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
HARMLESS_SIGNALS = (signal.SIGALRM, signal.SIGXCPU, signal.SIGABRT)
"""They would end this program and mean nothing to it: told of once each."""
WHY = {
    "time_limit": "the time limit was reached",
    "preempted": "preempted by another job",
    "requeued": "put back into the queue",
    "node_failed": "a node of the job failed",
}


class SignalInbox:
    """The signals that arrived, and the pipe that wakes the loop for them."""

    def __init__(self) -> None:
        self._received: List[int] = []
        self.reader, self._writer = os.pipe()
        for descriptor in (self.reader, self._writer):
            os.set_blocking(descriptor, False)

    def catch(self) -> None:
        """From now on a signal wakes the loop, and is handled there."""
        for signum in STOP_SIGNALS + FORWARDED_SIGNALS + HARMLESS_SIGNALS + (signal.SIGCONT, signal.SIGCHLD):
            is_unwanted = signum in (signal.SIGHUP, signal.SIGINT) and signal.getsignal(signum) == signal.SIG_IGN
            if not is_unwanted:  # nohup and background jobs of a shell ignore these two
                signal.signal(signum, self._note)
        signal.set_wakeup_fd(self._writer)

    def catch_too(self, signum: int) -> None:
        """One more signal, whatever it was set to before."""
        signal.signal(signum, self._note)

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


class Ending:
    """What signals and the clock do to a job."""

    def __init__(
        self,
        job: Job,
        stopping: Stopping,
        budget: Budget,
        inbox: SignalInbox,
        early: EarlyWarning,
        batch_log: BatchLog,
    ) -> None:
        self._job = job
        self._stopping = stopping
        self._budget = budget
        self._inbox = inbox
        self._early = early
        self._batch_log = batch_log
        self._cont_at: Optional[float] = None
        self._told: Set[int] = set()
        if early.is_meant(early.signum):
            inbox.catch_too(early.signum)

    def take_signals(self, now: float) -> None:
        """What arrived since the last turn; CONT first, because it tells what a TERM beside it means."""
        received = self._inbox.take()
        is_warning = any(self._early.is_meant(signum) for signum in received)
        if signal.SIGCONT in received and not is_warning:  # Slurm sends one after the warning, too
            self._cont_at = now
        for signum in received:
            if self._early.is_meant(signum):
                self._early.send("slurm")
            elif signum in FORWARDED_SIGNALS:
                self._forward(signum)
            elif signum in STOP_SIGNALS:
                self._stop_by_signal(signum, now)
            elif signum != signal.SIGCONT and signum not in self._told:
                self._told.add(signum)
                self._job.record.event("signal", signal=signum)
                self._job.record.tell_job("{} received, which means nothing here".format(signal_name(signum)))

    def keep_time(self, now: float) -> None:
        """Send the early warning in time; end the job whose time is over, which on this machine nobody else does."""
        self._early.advance(now)
        limit_at = self._budget.limit_at
        if not self._job.is_slurm and limit_at is not None and self._job.outcome is None and now >= limit_at:
            self._job.decide("time_limit", 128 + signal.SIGTERM, message=WHY["time_limit"])

    @property
    def next_at(self) -> float:
        """When the clock wants something next."""
        if self._job.outcome is not None or self._job.is_slurm or self._budget.limit_at is None:
            return self._early.next_at
        return min(self._early.next_at, self._budget.limit_at)

    def _forward(self, signum: int) -> None:
        self._job.record.event("signal", signal=signum)
        self._job.record.tell_job("{} goes to the services".format(signal_name(signum)))
        for service in self._job.services:
            if service.is_alive and self._job.outcome is None:
                self._stopping.signal(service, signum)

    def _stop_by_signal(self, signum: int, now: float) -> None:
        """The job is told to end: all of teardown fits into what Slurm leaves before it kills."""
        job, budget = self._job, self._budget
        cause = self._cause(signum, now)
        message = "{} received".format(signal_name(signum))
        if cause in WHY:
            message = "{}: {}".format(message, WHY[cause])
        job.record.event("signal", signal=signum)
        job.record.tell_job(message)
        is_first = budget.deadline is None
        if is_first:
            budget.set(now)
        job.decide(cause, 128 + signum, signum=signum, message=message)
        for service in job.services:
            if service.is_alive and service.kill_at is not None and budget.grace_end is not None:
                service.kill_at = min(service.kill_at, budget.grace_end)
        whole_job = self._cont_at is not None and now - self._cont_at <= SLURM_CONT_S
        if is_first and job.is_slurm and signum == signal.SIGTERM and whole_job:
            for service in job.services:  # their steps got TERM from Slurm together with us
                if service.is_alive and self._stopping.uses_srun(service) and not service.stopping:
                    self._stopping.note_stop(service, "teardown", now)

    def _cause(self, signum: int, now: float) -> str:
        """What the signal means: Slurm's own words in the batch log, else the clock."""
        if signum == signal.SIGTERM:
            said = self._batch_log.cause() if self._job.is_slurm else ""
            return said or ("time_limit" if self._budget.is_over(now) else "cancelled")
        return "cancelled" if signum == signal.SIGINT else "signal"
