"""What the local engine's job table says of jobs: the words that Slurm would use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compose_core.array_tasks import array_tasks, expression_of
from compose_core.clock import Clock
from compose_core.cluster.engine import JobRow
from compose_core.cluster.local_table import LocalJob, LocalTable, job_end_cause
from compose_core.cluster.process_identity import Life
from compose_core.job_state import JobId, JobState

PENDING_S = 60.0
"""A job that has not begun by then never will, unless its token is submitted again."""
_CAUSE_STATES = {
    "completed": JobState.COMPLETED,
    "cancelled": JobState.CANCELLED,
    "time_limit": JobState.TIMEOUT,
}


class LocalRows:
    """The rows of the jobs in a table, seen from one host."""

    def __init__(self, table: LocalTable, *, host: str, clock: Clock) -> None:
        self._table = table
        self._host = host
        self._clock = clock

    def of(self, job: LocalJob) -> list[JobRow]:
        """One row; of an array one per task that began, and one for those that share a state without having begun."""
        if job.array is not None:
            return self._of_array(job)
        row = self.of_job(job)
        return [] if row is None else [row]

    def of_job(self, job: LocalJob) -> JobRow | None:
        """How the job is now; None when it never began and never will, because its client died before."""
        row = JobRow(
            job_id=job.job_id,
            state=JobState.PENDING,
            source="local",
            submitted_at=job.submitted_at,
            started_at=_seconds(job.started, "started_at"),
            node_count=1,
            nodelist=job.host,
            user=job.user,
            name=job.name,
            token=job.token,
        )
        if job.started is None:
            return self._row_before_start(job, row)
        if job.ended is not None:
            return _ended_row(job, row)
        return self._row_since_start(job, row)

    def _row_before_start(self, job: LocalJob, row: JobRow) -> JobRow | None:
        if job.cancel is not None:
            return _shown(replace(row, ended_at=_seconds(job.cancel, "at")), JobState.CANCELLED)
        waits_since = self._clock.now() - job.submitted_at
        if waits_since > PENDING_S or job.client is None or job.client.life(host=self._host) is Life.DEAD:
            return None
        return _shown(row, JobState.PENDING)

    def _row_since_start(self, job: LocalJob, row: JobRow) -> JobRow:
        process, monitor = job.process, job.monitor
        life = process.life(host=self._host) if process else Life.UNKNOWN
        if life is Life.ALIVE:
            return _shown(row, JobState.RUNNING)
        marker = job_end_cause(job)
        if life is Life.UNKNOWN:
            reason = f"runs on {job.host}, which cannot be looked into from {self._host}"
            return _marked_row(row, marker) if marker else _shown(replace(row, reason=reason), JobState.RUNNING)
        if monitor is not None and monitor.life(host=self._host) is Life.ALIVE:
            return _shown(row, JobState.COMPLETING)
        # The monitor may have written the end between the first look and this one.
        fresh = self._table.read(job.job_id)
        if fresh is not None and fresh.ended is not None:
            return _ended_row(fresh, row)
        if marker is not None:
            return _marked_row(row, marker)
        reason = "the processes of the job are gone, without a word of how they ended"
        return _shown(replace(row, reason=reason, ended_at=self._last_sign(job)), JobState.NODE_FAIL)

    def _last_sign(self, job: LocalJob) -> float | None:
        """When the job last wrote its state, for one that could not say when it ended."""
        try:
            return (job.job_dir / "state.json").stat().st_mtime
        except OSError:
            return _seconds(job.started, "started_at")

    def _of_array(self, array: LocalJob) -> list[JobRow]:
        # First whether tasks may still begin, then which have: the other way round, one could slip through in between.
        waiting = self._waiting_row(array)
        begun = self._table.tasks_begun(array.job_id) if array.started is not None else set()
        tasks = [self._table.read_task(array, task) for task in array_tasks(array.array or "") if task in begun]
        rows = [self._of_task(task) for task in tasks if task.started is not None]
        others = sorted(set(array_tasks(array.array or "")) - {task.task for task in tasks if task.started is not None})
        cancelled = {task.task for task in tasks if task.started is None and task.cancel is not None}
        if waiting is not None:
            ended = _shown(replace(waiting, ended_at=_cancelled_at(array, tasks)), JobState.CANCELLED)
            rows += _shared_rows(waiting, array, [task for task in others if task not in cancelled])
            rows += _shared_rows(ended, array, [task for task in others if task in cancelled])
        return rows

    def _of_task(self, task: LocalJob) -> JobRow:
        row = self.of_job(task)
        assert row is not None
        return replace(row, array_job_id=JobId(task.job_id.partition("_")[0]), array_task=str(task.task))

    def _waiting_row(self, array: LocalJob) -> JobRow | None:
        """How those tasks are that have not begun; None when the array itself never began."""
        row = self.of_job(replace(array, array=None, ended=None))
        if row is None or array.started is None:
            return row
        if array.cancel is not None:
            return _shown(replace(row, started_at=None, ended_at=_seconds(array.cancel, "at")), JobState.CANCELLED)
        if row.state is JobState.RUNNING:
            return _shown(replace(row, started_at=None), JobState.PENDING)
        reason = "the process that starts the tasks of the array is gone"
        return _shown(replace(row, reason=reason, started_at=None), JobState.NODE_FAIL)


def _shared_rows(row: JobRow, array: LocalJob, tasks: list[int]) -> list[JobRow]:
    """One row for tasks that have nothing of their own to say yet."""
    if not tasks:
        return []
    expression = expression_of(tasks)
    job_id = JobId(f"{array.job_id}_{tasks[0]}") if len(tasks) == 1 else array.job_id
    return [replace(row, job_id=job_id, array_job_id=array.job_id, array_task=expression)]


def _cancelled_at(array: LocalJob, tasks: list[LocalJob]) -> float | None:
    times = [_seconds(task.cancel, "at") for task in tasks if task.cancel is not None]
    return next((at for at in times if at is not None), _seconds(array.cancel, "at"))


def _ended_row(job: LocalJob, row: JobRow) -> JobRow:
    ended = job.ended or {}
    code, number = ended.get("rc"), ended.get("signal")  # at least one is there: the table sees to it
    ended_at = _seconds(ended, "ended_at")
    row = replace(
        row,
        exit_code=code if type(code) is int else 0,
        signal=number if type(number) is int else None,
        ended_at=ended_at,
    )
    marker = job_end_cause(job)
    cancelled_at = _seconds(job.cancel, "at")
    if marker is not None and marker[0] == "time_limit":
        return _shown(row, JobState.TIMEOUT)
    if (marker is not None and marker[0] == "cancelled") or (
        cancelled_at is not None and ended_at is not None and cancelled_at <= ended_at
    ):
        return _shown(row, JobState.CANCELLED)
    return _shown(row, JobState.COMPLETED if row.exit_code == 0 and row.signal is None else JobState.FAILED)


def _marked_row(row: JobRow, marker: tuple[str, int | None]) -> JobRow:
    """The end that the job itself wrote down, where nobody saw its exit status."""
    cause, code = marker
    state = _CAUSE_STATES.get(cause, JobState.FAILED)
    return _shown(replace(row, exit_code=0 if state is JobState.COMPLETED else code), state)


def _shown(row: JobRow, state: JobState) -> JobRow:
    return replace(row, state=state, raw_state=state.value)


def _seconds(fields: Mapping[str, object] | None, name: str) -> float | None:
    value = fields.get(name) if fields else None
    return float(value) if isinstance(value, (int, float)) else None
