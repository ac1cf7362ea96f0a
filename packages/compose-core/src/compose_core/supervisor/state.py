"""The job's state.json, and with it the time index of the logs: written when something happened and at each heartbeat."""

import os
import socket
import time
from typing import Dict, List, Optional

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.assertions import assertions_json
from compose_core.supervisor.early import EarlyWarning
from compose_core.supervisor.files import SCHEMA_VERSION, Json
from compose_core.supervisor.record import Outcome, Record
from compose_core.supervisor.service import Service


class StateFile:
    """Keeps state.json and the logs' time index up to date."""

    def __init__(
        self,
        description: Json,
        environment: Dict[str, str],
        is_slurm: bool,
        record: Record,
        services: List[Service],
        allocation: Allocation,
        early: EarlyWarning,
        ticks: Optional[int],
        started_at: float,
    ) -> None:
        self._description = description
        self._environment = environment
        self._is_slurm = is_slurm
        self._record = record
        self._services = services
        self._allocation = allocation
        self._early = early
        self._ticks = ticks
        self._started_at = started_at
        self._finished_at: Optional[float] = None
        self._outcome: Optional[Outcome] = None
        """How the job ended, once nothing follows any more."""
        self._heartbeat_s = float(description.get("heartbeat_s") or 10)
        self._log_index_s = float(description.get("log_index_s") or 10)
        self._write_at = self._index_at = 0.0

    @property
    def next_at(self) -> float:
        """When something is due."""
        return min(self._write_at, self._index_at)

    def begin(self, now: float) -> None:
        """The first heartbeat and the first look at the logs come one interval from now."""
        self._write_at = now + self._heartbeat_s
        self._index_at = now + self._log_index_s

    def write_due(self, now: float) -> None:
        """State after a transition and at each heartbeat, the logs' time index at its interval."""
        if now >= self._index_at:
            self._index_at = now + self._log_index_s
            for service in self._services:
                self._record.index_log(service)
        if self._record.is_stale or now >= self._write_at:
            is_written = self._record.state(self._as_json(now))
            self._write_at = now + (self._heartbeat_s if is_written else min(1.0, self._heartbeat_s))

    def write_end(self, outcome: Outcome) -> None:
        """The last state of the job; a write that fails is tried again, because nothing follows it."""
        self._outcome, self._finished_at = outcome, time.time()
        for _ in range(3):
            if self._record.state(self._as_json(time.monotonic())):
                break
            time.sleep(0.2)

    def _as_json(self, now: float) -> Json:
        """The whole of state.json."""
        at = time.time()
        outcome = self._outcome
        log_folder = os.path.join(self._record.folder.path, "logs")
        return {
            "schema_version": SCHEMA_VERSION,
            "backend": "slurm" if self._is_slurm else "local",
            "runtime_backend": self._description.get("backend"),
            "job_id": self._record.job_id,
            "slurm_job_id": self._environment.get("SLURM_JOB_ID") if self._is_slurm else None,
            "job_name": self._description.get("name"),
            "submission_token": self._record.token,
            "job_status": outcome.job_status if outcome else "RUNNING",
            "job_exit_code": outcome.exit_code if outcome else None,
            "cause": outcome.cause if outcome else None,
            "supervisor_pid": os.getpid(),
            "supervisor_start_ticks": self._ticks,
            "host": socket.gethostname(),
            "attempt": self._record.attempt,
            "is_resume": self._record.is_resume,
            "resume_dir": self._record.resume_dir,
            "early_signal_at": self._early.sent_at,
            "started_at": self._started_at,
            "updated_at": at,
            "heartbeat_at": at,
            "finished_at": self._finished_at,
            "services": [
                dict(service.as_json(now, log_folder, self._allocation), assertions=assertions_json(service))
                for service in self._services
            ],
        }
