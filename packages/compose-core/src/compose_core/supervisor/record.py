"""What the job writes down: state, events, exits, end marker, manifest."""

import os
import time
from typing import Any, Callable, Optional, Set, Tuple

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.attempts import ResumeFolder
from compose_core.supervisor.files import SCHEMA_VERSION, JobFolder, Json
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import Refused, complain, say

JOB_STATUS = {
    "completed": "COMPLETED",
    "cancelled": "CANCELLED",
    "signal": "CANCELLED",
    "requeued": "CANCELLED",
    "time_limit": "TIMEOUT",
    "preempted": "PREEMPTED",
    "node_failed": "NODE_FAIL",
}


class Outcome:
    """Why the job ends, and what it says to the world."""

    def __init__(self, cause: str, exit_code: int, service: Optional[str], signum: Optional[int], message: str) -> None:
        self.cause = cause
        self.exit_code = exit_code
        self.service = service
        self.signum = signum
        self.message = message
        self.job_status = JOB_STATUS.get(cause, "FAILED")


class Record:
    """What the job writes about itself. A write that fails is reported once and tried again with the next one."""

    def __init__(
        self,
        folder: JobFolder,
        job_id: str,
        token: Optional[str],
        attempt: int,
        resume: Optional[ResumeFolder] = None,
    ) -> None:
        self.folder = folder
        self.job_id = job_id
        self.token = token
        self.attempt = attempt
        self.resume_dir = resume.path if resume else None
        self.is_resume = attempt > 0 or (resume is not None and resume.has_earlier_run)
        self.is_stale = True
        """Something happened that state.json does not tell yet."""
        self._reported: Set[Tuple[str, Optional[int]]] = set()

    def event(self, name: str, service: Optional[str] = None, **fields: Any) -> None:
        """One line of events.jsonl."""
        row: Json = {"at": round(time.time(), 3), "event": name}
        if service is not None:
            row["service"] = service
        row.update(fields)
        self.is_stale = True
        self._quietly("events.jsonl", self.folder.append, "", "events.jsonl", row)

    def tell(self, service: str, text: str) -> None:
        """One line of the batch log about a service."""
        say(service, text)
        self.is_stale = True

    def tell_job(self, text: str) -> None:
        """One line of the batch log about the job."""
        say("job " + self.job_id, text)

    def end(self, outcome: Outcome) -> None:
        """The end marker."""
        marker: Json = {
            "schema_version": SCHEMA_VERSION,
            "submission_token": self.token,
            "job_id": self.job_id,
            "cause": outcome.cause,
            "service": outcome.service,
            "exit_code": outcome.exit_code,
            "signal": outcome.signum,
            "at": time.time(),
            "message": outcome.message,
        }
        self.is_stale = True
        self._quietly("end.json", self.folder.replace, "", "end.json", marker)

    def state(self, value: Json) -> bool:
        """The whole of state.json; True when it could be written."""
        is_written = self._quietly("state.json", self.folder.replace, "", "state.json", value)
        self.is_stale = not is_written
        return is_written

    def exit(
        self,
        service: Service,
        code: int,
        signum: Optional[int],
        allocation: Allocation,
        node: Optional[str],
        rank: Optional[int],
    ) -> None:
        """One line of service-exits, and the event."""
        row: Json = {
            "service": service.name,
            "exit_code": code,
            "signal": signum,
            "at_unix": time.time(),
            "node": allocation.primary if len(allocation.nodes) == 1 else node,
            "rank": rank,
            "nodelist": allocation.nodelist,
            "attempt": self.attempt,
        }
        self._quietly("service-exits", self.folder.append, "service-exits", service.token + ".jsonl", row)
        self.event("exited", service.name, exit_code=code, signal=signum, attempt=self.attempt)

    def manifest(self, policy: str, is_success: bool, found: Json) -> None:
        """The artifact manifest.

        Raises: OSError, Refused: it cannot be written.
        """
        manifest: Json = {
            "schema_version": SCHEMA_VERSION,
            "job_id": self.job_id,
            "submission_token": self.token,
            "collect_policy": policy,
            "collected_at": time.time(),
            "job_outcome": "success" if is_success else "failure",
            "attempt": self.attempt,
            "is_resume": self.is_resume,
            "resume_dir": self.resume_dir,
        }
        manifest.update(found)
        self.folder.replace("artifacts", "manifest.json", manifest)
        copied, missing = len(found["copied_relative_paths"]), len(found["missing"])
        self.event("artifacts_collected", copied=copied, missing=missing)
        self.tell_job("artifacts: {} copied, {} missing".format(copied, missing))

    def metrics(self, name: str, rows: bytes) -> None:
        """Whole lines of a file of metrics/."""
        self._quietly("metrics/" + name, self.folder.append_lines, "metrics", name, rows)

    def metrics_meta(self, value: Json) -> None:
        """The whole of metrics/meta.json."""
        self._quietly("metrics/meta.json", self.folder.replace, "metrics", "meta.json", value)

    def index_log(self, service: Service) -> None:
        """One line of the time index when the log grew."""
        try:
            size = service.log_bytes
            if size is None:
                size = os.stat(service.log_name, dir_fd=self.folder.folder("logs"), follow_symlinks=False).st_size
        except (OSError, Refused):
            return
        row = {"at": round(time.time(), 3), "offset": size}
        if size != service.indexed_size and self._quietly(
            "log index", self.folder.append, "logs", service.token + ".idx.jsonl", row
        ):
            service.indexed_size = size

    def _quietly(self, what: str, action: Callable[..., None], *arguments: Any) -> bool:
        try:
            action(*arguments)
        except (OSError, Refused) as error:
            number = getattr(error, "errno", None)
            if (what, number) not in self._reported:
                self._reported.add((what, number))
                complain("{} cannot be written, going on without: {}".format(what, error))
            return False
        return True
