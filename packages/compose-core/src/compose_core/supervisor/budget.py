"""How long a job may run and how long its teardown may take, and what its ending needs of it."""

import time
from typing import Dict, List, Optional

from compose_core.supervisor.files import Json
from compose_core.supervisor.host import kill_wait_s
from compose_core.supervisor.record import Outcome, Record
from compose_core.supervisor.service import Service

KILL_WAIT_RESERVE_S = 2.0


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
