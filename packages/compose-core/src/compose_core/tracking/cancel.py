"""The end of a job on request; its records, logs and artifacts stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compose_core.clock import Clock
from compose_core.cluster.engine import Engine
from compose_core.errors import SchedulerUnreachable
from compose_core.job_state import JobId, JobState
from compose_core.records.job_record import JobRecord
from compose_core.tracking.observe import Watch, observe_one
from compose_core.tracking.snapshot import JobSnapshot

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What became of the request."""

    requested: bool
    """False: the job had ended already, or it is not ours any more."""
    confirmed: bool
    """It is known to have ended."""
    snapshot: JobSnapshot
    message: str

    @property
    def state(self) -> JobState:
        """How the job is now."""
        return self.snapshot.state

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "job_id": self.snapshot.job_id,
            "requested": self.requested,
            "confirmed": self.confirmed,
            "state": str(self.state),
            "message": self.message,
            "job": self.snapshot.as_json(),
        }


def cancel_job(
    record: JobRecord, engine: Engine, clock: Clock, *, wait_s: float = 60.0, force: bool = False
) -> CancelResult:
    """Ask for the job's end and wait until it is confirmed, at most `wait_s`.

    The scheduler checks right before that the id still belongs to this submission.

    Raises: SchedulerUnreachable: it did not answer; nothing is known to have changed.
    """
    watch = Watch()
    before = observe_one(record, engine, clock, watch=watch)
    if before.terminal:
        message = f"job {record.job_id} had ended already: {before.state}"
        return CancelResult(requested=False, confirmed=True, snapshot=before, message=message)
    answer = engine.cancel(JobId(record.job_id), token=record.submission_token, force=force)
    if not answer.reachable:
        raise SchedulerUnreachable(
            f"job {record.job_id} was not cancelled: {answer.message}",
            remedy="Run the command again when the scheduler answers.",
        )
    after = _wait(record, engine, clock, watch, wait_s=wait_s)
    return CancelResult(
        requested=answer.requested,
        confirmed=after.terminal,
        snapshot=after,
        message=_message(record, after, requested=answer.requested, said=answer.message),
    )


def _wait(record: JobRecord, engine: Engine, clock: Clock, watch: Watch, *, wait_s: float) -> JobSnapshot:
    deadline = clock.monotonic() + wait_s
    pause_s = _FIRST_WAIT_S
    while True:
        snapshot = observe_one(record, engine, clock, watch=watch)
        left_s = deadline - clock.monotonic()
        if snapshot.terminal or left_s <= 0:
            return snapshot
        clock.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.6, _LONGEST_WAIT_S)


def _message(record: JobRecord, after: JobSnapshot, *, requested: bool, said: str) -> str:
    if not requested:
        return said or f"the scheduler did not pass the request on to job {record.job_id}"
    if after.terminal:
        return f"job {record.job_id} ended: {after.state}"
    return f"job {record.job_id} was asked to end and has not ended yet: {after.state}"
