"""What jobs of the local engine used, as far as their monitors could tell when they ended."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.cluster.engine import JobRow, Unavailable
from compose_core.cluster.local_rows import LocalRows
from compose_core.cluster.local_table import LocalJob, LocalTable
from compose_core.cluster.usage_rows import UsageRow, UsageRows
from compose_core.errors import RecordError
from compose_core.job_state import JobId, JobState


def usage_of(table: LocalTable, rows: LocalRows, job_ids: Sequence[JobId]) -> UsageRows | Unavailable:
    """One row for each job, for each task of an array; CPU time and memory once it has ended.

    Nothing is set aside on this machine, so no row says how many CPUs or how much memory the job had. How long it took
    is told by its own files, as everywhere else: the monitor's clock also runs before the job and after it.
    """
    found: list[UsageRow] = []
    unreadable = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            found += _usage_rows(table, rows, job_id)
        except (RecordError, OSError):
            unreadable += 1
    if unreadable and not found:
        return Unavailable(kind="error", source="local", message="the job table cannot be read")
    return UsageRows(rows=tuple(found), source="local", malformed=unreadable)


def _usage_rows(table: LocalTable, rows: LocalRows, job_id: JobId) -> list[UsageRow]:
    job = table.read(job_id)
    if job is None:
        return []
    if job.array is None:
        states = {row.job_id: row for row in rows.of(job)}
        return [_usage_row(job, states.get(job_id))]
    states = {row.job_id: row for row in rows.of(job)}
    tasks = [table.read_task(job, task) for task in sorted(table.tasks_begun(job.job_id))]
    return [_usage_row(task, states.get(task.job_id)) for task in tasks]


def _usage_row(job: LocalJob, row: JobRow | None) -> UsageRow:
    ended = job.ended or {}
    begin = row.started_at if row else None
    end = row.ended_at if row else None
    return UsageRow(
        job_id=job.job_id,
        name=job.name,
        start=begin,
        end=end,
        exit_code=row.exit_code if row else None,
        signal=row.signal if row else None,
        total_cpu_s=_figure(ended.get("cpu_s")),
        max_rss_bytes=_figure(ended.get("largest_process_bytes")),
        nnodes=1,
        nodelist=job.host,
        state=row.state if row else JobState.UNKNOWN,
    )


def _figure(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
