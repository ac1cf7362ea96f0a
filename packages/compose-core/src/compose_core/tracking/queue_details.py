"""What the controller says of a job that waits, beyond its place in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compose_core.cluster.engine import Engine, Unavailable
from compose_core.cluster.slurm_text import epoch_s
from compose_core.job_state import JobId
from compose_core.tracking.snapshot import JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDetails:
    """One waiting job; empty of any other."""

    eligible_at: float | None = None
    """From when on it may start, as far as its own wishes and dependencies go."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By Slurm's keys: `Dependency`, `Partition`, `TRES` …"""


def queue_details(snapshot: JobSnapshot, engine: Engine) -> QueueDetails:
    """One more question, and only for a job that waits in the queue: all else is in its snapshot.

    Of an array that as a whole waits, Slurm answers with the tasks that wait together.
    """
    if snapshot.source != "squeue" or not snapshot.state.is_waiting:
        return QueueDetails()
    answer = engine.show_job(JobId(snapshot.job_id))
    if isinstance(answer, Unavailable):
        return QueueDetails()
    return QueueDetails(eligible_at=epoch_s(answer.get("EligibleTime", "")), settings=answer)
