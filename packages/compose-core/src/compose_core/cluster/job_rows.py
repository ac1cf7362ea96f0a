"""Which row of an answer speaks of a job."""

from __future__ import annotations

from collections.abc import Iterable

from compose_core.cluster.engine import JobRow
from compose_core.cluster.slurm_text import holds_task
from compose_core.job_state import JobId


def find_row(rows: Iterable[JobRow], job_id: JobId) -> JobRow | None:
    """The row that speaks of the job, be it the shared row of waiting array tasks; None when there is none."""
    base, _, task = job_id.partition("_")
    shared: JobRow | None = None
    for row in rows:
        if row.job_id == job_id:
            return row
        if task and row.job_id == base and row.array_task is not None and holds_task(row.array_task, int(task)):
            shared = row
    return shared
