"""The end of a job and of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compose_core.cluster.engine import Engine, Rows
from compose_core.errors import UsageError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.cancel import CancelResult, cancel_job
from compose_core.tracking.clean import Cleaner
from compose_core.tracking.removal import Removed

_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DownResult:
    """What became of the job and of its files."""

    cancelled: CancelResult
    removed: Removed | None
    """None: it has not ended yet, so its files stay."""

    @property
    def message(self) -> str:
        """One sentence."""
        if self.removed is None:
            return f"{self.cancelled.message}; its files stay"
        return f"{self.cancelled.message}; its files are removed"

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "job_id": self.cancelled.snapshot.job_id,
            "requested": self.cancelled.requested,
            "confirmed": self.cancelled.confirmed,
            "state": str(self.cancelled.state),
            "message": self.message,
            "removed": self.removed.as_json() if self.removed else None,
        }


def down_job(cleaner: Cleaner, record: JobRecord, engine: Engine, *, wait_s: float, force: bool) -> DownResult:
    """Ask for the job's end, wait at most `wait_s` until it is really over, remove its files.

    Raises: UsageError: it is one task of an array.  SchedulerUnreachable: the scheduler did not answer, and the job is
    not known to be over.  HpccError: another command removes files of the project.  RecordError: something cannot be
    removed.
    """
    if record.array_job_id is not None:
        raise UsageError(
            f"{record.job_id} is a task of array {record.array_job_id}, whose files go together",
            remedy=f"`hpcc cancel --job-id {record.job_id}` ends it; `hpcc down {record.array_job_id}` removes the array.",
        )
    deadline = cleaner.clock.monotonic() + wait_s
    cancelled = cancel_job(record, engine, cleaner.clock, wait_s=wait_s, force=force)
    if not cancelled.confirmed or not _left_the_queue(cleaner, record, engine, deadline):
        return DownResult(cancelled=cancelled, removed=None)
    return DownResult(cancelled=cancelled, removed=cleaner.remove_job(cancelled.snapshot))


def _left_the_queue(cleaner: Cleaner, record: JobRecord, engine: Engine, deadline: float) -> bool:
    """A job that has said its last word may still free its nodes; a twin with its token is told to end, too.

    A silent scheduler is no reason to wait: the job said itself that it is over.
    """
    while True:
        answer = engine.queue()
        rows = answer.rows if isinstance(answer, Rows) else ()
        live = [row for row in rows if row.token == record.submission_token and not row.state.is_terminal]
        if not live:
            return True
        for row in live:
            if row.job_id != record.job_id:
                engine.cancel(row.job_id, token=record.submission_token)
        left_s = deadline - cleaner.clock.monotonic()
        if left_s <= 0:
            return False
        cleaner.clock.sleep(min(_POLL_S, left_s))
