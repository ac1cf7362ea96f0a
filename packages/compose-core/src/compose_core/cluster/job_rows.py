"""The rows of an answer, and which of them speaks of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compose_core.cluster.engine import EvidenceSource, JobRow, Rows
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


def rows_of(stdout: str, read_row: Callable[[str], JobRow | None], *, source: EvidenceSource) -> Rows:
    """One job a line, as `read_row` reads it; lines of another shape (None) are counted and dropped."""
    lines = [line for line in stdout.split("\n") if line.strip()]
    rows = [row for row in map(read_row, lines) if row is not None]
    return Rows(rows=tuple(rows), source=source, malformed=len(lines) - len(rows))
