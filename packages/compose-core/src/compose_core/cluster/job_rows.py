"""The rows of an answer, and which of them speaks of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compose_core.array_tasks import array_tasks
from compose_core.cluster.engine import EvidenceSource, JobRow, Rows
from compose_core.job_state import JobId


class RowIndex:
    """The rows of one answer, to look up many jobs in."""

    def __init__(self, rows: Iterable[JobRow]) -> None:
        self._by_id: dict[str, JobRow] = {}
        self._of_array: dict[str, list[JobRow]] = {}
        self._shared: dict[str, list[tuple[JobRow, frozenset[int]]]] = {}
        for row in rows:
            self._by_id[row.job_id] = row
            if row.array_job_id is not None:
                self._of_array.setdefault(row.array_job_id, []).append(row)
                if row.array_task is not None and row.job_id == row.array_job_id:
                    tasks = frozenset(array_tasks(row.array_task))
                    self._shared.setdefault(row.job_id, []).append((row, tasks))

    def find(self, job_id: str) -> JobRow | None:
        """The row that speaks of the job, be it the shared row of array tasks; None when there is none.

        Of an array as a whole it is a row that is not over, as long as there is one.
        """
        base, _, task = job_id.partition("_")
        if not task:
            of_array = self._of_array.get(job_id, [])
            return next(
                (row for row in of_array if not row.state.is_terminal), self._by_id.get(job_id) or _first(of_array)
            )
        own = self._by_id.get(job_id)
        shared = self._shared.get(base, []) if own is None and task.isdigit() else []
        return own or next((row for row, tasks in shared if int(task) in tasks), None)


def find_row(rows: Iterable[JobRow], job_id: JobId) -> JobRow | None:
    """The row that speaks of one job, as `RowIndex.find`."""
    return RowIndex(rows).find(job_id)


def _first(rows: list[JobRow]) -> JobRow | None:
    return rows[0] if rows else None


def rows_of(stdout: str, read_row: Callable[[str], JobRow | None], *, source: EvidenceSource) -> Rows:
    """One job a line, as `read_row` reads it; lines of another shape (None) are counted and dropped."""
    lines = [line for line in stdout.split("\n") if line.strip()]
    rows = [row for row in map(read_row, lines) if row is not None]
    return Rows(rows=tuple(rows), source=source, malformed=len(lines) - len(rows))
