from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compose_core.cluster.squeue import parse_squeue, parse_squeue_steps, squeue_argv, squeue_steps_argv
from compose_core.job_state import JobId, JobState

TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
US = "\x1f"


def _line(**cells: str) -> str:
    row = {
        "i": "41", "F": "41", "K": "N/A", "T": "RUNNING", "r": "None", "S": "1795236537", "V": "1795236500", "l": "10:00",
        "D": "1", "N": "node1", "u": "ada", "j": "train", "k": f"hpcc:v1:{TOKEN}",
    }  # fmt: skip
    return US.join({**row, **cells}.values()) + "\n"


def test_one_call_asks_for_all_jobs_and_never_for_an_id() -> None:
    argv = squeue_argv("squeue")
    assert argv[:4] == ["squeue", "--me", "--noheader", "--states=all"]
    assert not any(argument.startswith(("-j", "--job")) for argument in argv)


def test_a_running_job() -> None:
    (row,) = parse_squeue(_line()).rows
    assert (row.job_id, row.state, row.reason, row.token) == ("41", JobState.RUNNING, "", TOKEN)
    assert (row.submitted_at, row.started_at, row.time_limit_s) == (1795236500.0, 1795236537.0, 600)
    assert (row.node_count, row.nodelist, row.user, row.name) == (1, "node1", "ada", "train")
    assert row.array_job_id is None


def test_a_waiting_job_has_no_nodes_and_may_have_no_start() -> None:
    (row,) = parse_squeue(_line(T="PENDING", r="BeginTime", S="N/A", N="")).rows
    assert (row.state, row.reason, row.started_at, row.nodelist) == (JobState.PENDING, "BeginTime", None, "")


def test_tasks_that_wait_together_are_one_row_of_the_array() -> None:
    (row,) = parse_squeue(_line(i="3043_[2-5%2]", F="3043", K="2-5%2", T="PENDING")).rows
    assert (row.job_id, row.array_job_id, row.array_task) == ("3043", "3043", "2-5%2")


def test_a_running_task_is_a_row_of_its_own() -> None:
    (row,) = parse_squeue(_line(i="3043_1", F="3043", K="1")).rows
    assert (row.job_id, row.array_job_id, row.array_task) == ("3043_1", "3043", "1")


def test_the_last_waiting_task_may_come_in_brackets() -> None:
    (row,) = parse_squeue(_line(i="3043_[9]", F="3043", K="9", T="PENDING")).rows
    assert (row.job_id, row.array_task) == ("3043_9", "9")


def test_a_component_of_a_heterogeneous_job_keeps_its_offset() -> None:
    (row,) = parse_squeue(_line(i="123+1", F="123+1")).rows
    assert (row.job_id, row.array_job_id) == ("123+1", None)


def test_free_text_may_hold_bars_spaces_and_separators() -> None:
    """The comment is last and takes the rest of the line."""
    (row,) = parse_squeue(_line(j="a | b", k=f"hpcc:v1:{TOKEN}:x{US}y")).rows
    assert (row.name, row.token) == ("a | b", TOKEN)


def test_lines_of_another_shape_are_counted_and_dropped() -> None:
    rows = parse_squeue("CLUSTER: east\n" + _line() + "slurm notice\n\n" + _line(i="x") + _line(i="42", F="42"))
    assert [row.job_id for row in rows.rows] == ["41", "42"]
    assert rows.malformed == 3


def test_a_state_of_a_later_release_is_unknown_and_not_final() -> None:
    (row,) = parse_squeue(_line(T="QUANTUM")).rows
    assert row.state is JobState.UNKNOWN
    assert (row.raw_state, row.state.is_terminal) == ("QUANTUM", False)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    rows = parse_squeue(text)
    assert len(rows.rows) + rows.malformed <= text.count("\n") + 1


@given(st.lists(st.text(alphabet="0123456789_[]-%,+abcN/A ", max_size=12), min_size=13, max_size=13))
def test_no_cells_break_the_reader(cells: list[str]) -> None:
    rows = parse_squeue(US.join(cells))
    assert len(rows.rows) + rows.malformed <= 1


def test_steps_of_a_job() -> None:
    assert squeue_steps_argv(JobId("41"))[1:3] == ["--steps", "--noheader"]
    steps = parse_squeue_steps(f"41.0{US}web\n41.batch{US}batch\nnoise\n")
    assert [(step.step_id, step.name) for step in steps] == [("41.0", "web"), ("41.batch", "batch")]
