from __future__ import annotations

from compose_core.cluster.engine import JobRow
from compose_core.cluster.job_rows import find_row
from compose_core.job_state import JobId, JobState


def _row(job_id: str, task: str | None = None, state: JobState = JobState.RUNNING) -> JobRow:
    array = JobId(job_id.split("_", maxsplit=1)[0]) if task else None
    return JobRow(job_id=JobId(job_id), state=state, source="squeue", array_job_id=array, array_task=task)


ROWS = [_row("3043", "2-5%2", JobState.PENDING), _row("3043_1", "1"), _row("41"), _row("3043_4", "4", JobState.FAILED)]


def test_a_job_is_found_by_its_id() -> None:
    found = find_row(ROWS, JobId("41"))
    assert found is not None
    assert found.job_id == "41"


def test_a_waiting_task_is_found_in_the_row_that_it_shares() -> None:
    found = find_row(ROWS, JobId("3043_3"))
    assert found is not None
    assert (found.job_id, found.state) == ("3043", JobState.PENDING)


def test_a_tasks_own_row_comes_before_the_shared_one() -> None:
    found = find_row(ROWS, JobId("3043_4"))
    assert found is not None
    assert found.state is JobState.FAILED


def test_what_no_row_speaks_of_is_none() -> None:
    assert find_row(ROWS, JobId("3043_9")) is None
    assert find_row(ROWS, JobId("4")) is None
    assert find_row([], JobId("41")) is None


def test_an_array_lives_as_long_as_one_of_its_rows() -> None:
    """squeue has no row with the array's own id once no task waits any more."""
    rows = [_row("3043_1", "1", JobState.COMPLETED), _row("3043_2", "2"), _row("3043_3", "3", JobState.FAILED)]
    found = find_row(rows, JobId("3043"))
    assert found is not None
    assert found.state is JobState.RUNNING
    over = find_row([rows[0], rows[2]], JobId("3043"))
    assert over is not None
    assert over.state.is_terminal
