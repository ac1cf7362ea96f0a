"""The job as a whole: its services, and why it ends."""

from typing import List, Optional

from compose_core.supervisor.record import Outcome, Record
from compose_core.supervisor.service import Service


class Job:
    """The services of a job, and why it ends, once that is decided."""

    def __init__(self, record: Record, services: List[Service], is_slurm: bool) -> None:
        self.record = record
        self.services = services
        self.by_name = {service.name: service for service in services}
        self.is_slurm = is_slurm
        self.outcome: Optional[Outcome] = None

    @property
    def mains(self) -> List[Service]:
        """The main services; all of them, when none is main."""
        return [service for service in self.services if service.is_main] or self.services

    def mains_are_done(self) -> bool:
        """Every main service has ended (every service, when none is main)."""
        return all(service.has_ended for service in self.mains)

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
