"""How long a job may run and how long its teardown may take."""

import time
from typing import Dict, Optional

from compose_core.supervisor.files import Json
from compose_core.supervisor.host import kill_wait_s

KILL_WAIT_RESERVE_S = 2.0


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
