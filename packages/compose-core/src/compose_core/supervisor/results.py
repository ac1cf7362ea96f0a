"""What a job leaves behind once its services have ended: whether their assertions hold, and its artifacts."""

import time
from typing import Callable

from compose_core.supervisor.artifacts import ArtifactCollector
from compose_core.supervisor.assertions import check_assertions
from compose_core.supervisor.budget import Budget
from compose_core.supervisor.ending import Ending
from compose_core.supervisor.files import JobFolder, Json
from compose_core.supervisor.job import Job
from compose_core.supervisor.state import StateFile


class Results:
    """Judges and collects what the services left in the job folder."""

    def __init__(
        self, description: Json, job: Job, folder: JobFolder, budget: Budget, ending: Ending, state_file: StateFile
    ) -> None:
        self._description = description
        self._job = job
        self._folder = folder
        self._budget = budget
        self._ending = ending
        self._state_file = state_file

    def check_assertions(self) -> None:
        """A job that went well so far fails by the first service whose assertions do not hold."""
        is_success = self._job.outcome is not None and self._job.outcome.cause == "completed"
        collector = ArtifactCollector(self._folder, {}, self._teardown_clock())
        for service in check_assertions(self._job.services, collector.paths, is_success):
            message = "assertion failed: " + "; ".join(service.assertion_failures)
            self._job.record.event("assertion_failed", service.name, failures=service.assertion_failures)
            self._job.record.tell(service.name, message)
            service.failure_reason = service.failure_reason or message
            self._job.decide("assertion_failed", 1, service, message=message)

    def collect_artifacts(self) -> None:
        """Copy the declared artifacts when the policy asks for them."""
        rules = self._description.get("artifacts")
        assert self._job.outcome is not None
        is_success = self._job.outcome.cause == "completed"
        if not rules or rules.get("collect", "always") not in ("always", "on_success" if is_success else "on_failure"):
            return
        found = ArtifactCollector(self._folder, rules.get("bundles") or {}, self._teardown_clock()).collect()
        self._job.record.manifest(rules.get("collect", "always"), is_success, found)

    def _teardown_clock(self) -> Callable[[], bool]:
        """Asked while files are looked through: keeps the job's state fresh, and says whether there is time to go on."""
        give_up_at = time.monotonic() + float(self._description.get("artifacts_deadline_s") or 60)

        def may_go_on() -> bool:
            now = time.monotonic()
            self._ending.take_signals(now)
            self._state_file.write_due(now)
            return now < (give_up_at if self._budget.deadline is None else min(give_up_at, self._budget.deadline))

        return may_go_on
