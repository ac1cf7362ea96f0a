"""The end of many jobs on request, asked for at once: whoever wants to see it looks at them later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compose_core.cluster.engine import CancelAnswer, Engine
from compose_core.cluster.slurm import Slurm
from compose_core.job_state import JobId
from compose_core.records.job_record import JobRecord
from compose_core.tracking.observe import engine_key


def request_ends(records: Sequence[JobRecord], engines: Mapping[str, Engine]) -> tuple[str, ...]:
    """What could not be passed on, and why, a sentence for each job; one that is over already is no trouble.

    That an id still belongs to its submission is checked right before. Engines are found by `engine_key`.
    """
    troubles = []
    for key, engine in engines.items():
        jobs = {JobId(record.job_id): record.submission_token for record in records if engine_key(record) == key}
        for job_id, answer in _asked(engine, jobs).items():
            if not answer.requested and not answer.reachable:
                troubles.append(f"job {job_id} was not cancelled: {answer.message}")
    return tuple(troubles)


def _asked(engine: Engine, jobs: Mapping[JobId, str]) -> dict[JobId, CancelAnswer]:
    if isinstance(engine, Slurm):
        return engine.cancel_many(jobs)
    return {job_id: engine.cancel(job_id, token=token) for job_id, token in jobs.items()}
