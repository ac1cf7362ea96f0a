"""What a job should ask for the next time, and how well it used what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.insight.rightsize import RightSize, rightsize
from compose_core.insight.rightsize_tasks import of_tasks
from compose_core.insight.run_facts import Canary
from compose_core.insight.score import Score, score_of
from compose_core.job_usage import UsageQuestion, UsageReading, read_usage

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.insight.energy import PowerAssumptions
    from compose_core.records.job_record import JobFacts, JobRecord
    from compose_core.records.state import ServiceState
    from compose_core.tracking.snapshot import JobSnapshot
    from compose_core.tracking.usage import Say


def job_rightsize(site: Site, record: JobRecord, *, say: Say | None = None) -> RightSize:
    """The advice for a job, from all that is known of what it used.

    With `say`, an accounting that has not heard of the job's end yet is waited for, once, for 30 s; `say` is told before.
    """
    return _advice(_reading(site, record, say))


def canary_rightsize(site: Site, record: JobRecord, whole: JobFacts, *, say: Say | None = None) -> RightSize:
    """The advice for the job that this canary stood for."""
    reading = _reading(site, record, say)
    one = reading.tasks[0] if reading.tasks else reading
    asked = one.snapshot.record.requests
    assert asked is not None  # this release wrote it
    canary = Canary(
        requests=asked,
        memory_bytes=one.usage.memory.allocated_bytes or asked.mem_bytes or None,
        gpus=one.usage.gpus_allocated or asked.gpus or 0,
    )
    return rightsize(whole, one.usage, state=one.snapshot.state, services=_services(one.snapshot), canary=canary)


def job_score(
    site: Site, record: JobRecord, *, assumed: PowerAssumptions | None = None, say: Say | None = None
) -> Score:
    """The score of a job; of one that runs, the score so far."""
    reading = _reading(site, record, say)
    return score_of(
        reading.usage,
        _advice(reading),
        state=reading.snapshot.state,
        state_source=reading.snapshot.source,
        assumed=assumed,
    )


def _reading(site: Site, record: JobRecord, say: Say | None) -> UsageReading:
    return read_usage(site, [record], UsageQuestion(say=say))[0]


def _services(snapshot: JobSnapshot) -> list[ServiceState]:
    return [service.state for service in snapshot.services if service.state is not None]


def _advice(reading: UsageReading) -> RightSize:
    snapshot = reading.snapshot
    if not reading.tasks:
        return rightsize(snapshot.record, reading.usage, state=snapshot.state, services=_services(snapshot))
    parts = [_advice(task) for task in reading.tasks if task.usage.wall_s]
    return of_tasks(parts, job_id=snapshot.job_id, state=str(snapshot.state))
