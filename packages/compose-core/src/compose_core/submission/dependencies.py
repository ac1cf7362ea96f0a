"""Jobs that a new one waits for: whether they exist, asked before anything is submitted.

Slurm takes a job that it does not know for one that ended as wished, be it a slip of the pen or a failed job that it has
forgotten since.  Source: sbatch 22.05, seen: `afterok` on an unknown id starts at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from compose_core.cluster.engine import Answer, JobRow, Unavailable
from compose_core.cluster.job_rows import RowIndex
from compose_core.errors import RecordError, SchedulerRefused, SchedulerUnreachable
from compose_core.job_state import JobId, JobState
from compose_core.records.job_record import JobRecord
from compose_core.submission.context import SubmitContext
from compose_core.tracking.job_files import read_job_files

_CONDITION = re.compile(r"(after[a-z]*)((?::[0-9_*+]+)+)")
_HISTORY_S = 365 * 86400.0
"""How far back the accounting is looked through for a job that the queue has forgotten."""
_NEEDS_SUCCESS = frozenset({"afterok", "aftercorr"})


def check_dependency(context: SubmitContext, dependency: str) -> None:
    """Return when every job of `afterok:12:13,afterany:14_3` is known, and those that are over ended as wished.

    One queue call; one accounting call when the queue lacks a job.

    Raises: SchedulerRefused: a job is unknown, or can never meet its condition.  SchedulerUnreachable: nobody can tell now.
    """
    wanted = list(_conditions(dependency))
    if not wanted:
        return
    queue = context.engine.find_jobs(_unique(job_id for _, job_id in wanted))
    rows = RowIndex(_rows(queue))
    gone = [(condition, job_id) for condition, job_id in wanted if rows.find(job_id) is None]
    if not gone:
        return
    since = context.clock.now() - _HISTORY_S
    ended = context.engine.accounting(_unique(job_id for _, job_id in gone), since_epoch_s=since)
    for condition, job_id in gone:
        _judge(condition, job_id, _ended_as(context, ended, job_id))


def _conditions(dependency: str) -> Iterator[tuple[str, JobId]]:
    """Condition and job of each; `singleton` names no job."""
    for condition, jobs in _CONDITION.findall(dependency):
        for job in jobs.strip(":").split(":"):
            yield condition, JobId(job.partition("+")[0].removesuffix("_*"))


def _unique(job_ids: Iterable[JobId]) -> list[JobId]:
    return list(dict.fromkeys(job_ids))


def _rows(answer: Answer) -> Iterable[JobRow]:
    if isinstance(answer, Unavailable):
        raise SchedulerUnreachable(
            f"the scheduler was asked for the jobs to wait for, and does not answer: {answer.message}",
            remedy="Nothing was submitted: run the command again when it answers.",
        )
    return answer.rows


def _ended_as(context: SubmitContext, accounting: Answer, job_id: JobId) -> set[JobState]:
    """How a job ended that the queue has forgotten, task by task; nothing when nobody knows it."""
    if isinstance(accounting, Unavailable) and accounting.kind not in {"disabled", "missing"}:
        _rows(accounting)
    rows = () if isinstance(accounting, Unavailable) else accounting.rows
    return {row.state for row in rows if job_id in (row.job_id, row.array_job_id)} or _own_word(context, job_id)


def _own_word(context: SubmitContext, job_id: JobId) -> set[JobState]:
    """What a job of this folder wrote about its end, for sites that keep no accounts."""
    try:
        record = JobRecord.read(context.project.job_record(job_id))
        state = read_job_files(record).state if record else None
    except RecordError:
        return set()
    return {JobState(state.job_status)} if state and state.is_terminal else set()


def _judge(condition: str, job_id: JobId, states: set[JobState]) -> None:
    """Raises: SchedulerRefused: a forgotten job with this end would be taken for one that ended as wished."""
    if not states:
        raise SchedulerRefused(
            f"the scheduler knows no job {job_id}, and would take it for one that ended as {condition} asks",
            remedy="Check x-slurm.after_job and dependency; remove them if that job is long over.",
            code="unknown-dependency",
        )
    well = states == {JobState.COMPLETED}
    if (condition in _NEEDS_SUCCESS and not well) or (condition == "afternotok" and well):
        raise SchedulerRefused(
            f"job {job_id} ended as {', '.join(sorted(states))}, so {condition} can never be met",
            remedy="Check x-slurm.after_job and dependency.",
            code="failed-dependency",
        )
