from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.cluster.sacct import CHUNK, chunks, parse_sacct, sacct_argv
from compose_core.job_state import JobId, JobState

TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
US = "\x1f"


def _line(**cells: str) -> str:
    row = {
        "id": "41", "raw": "41", "state": "COMPLETED", "exit": "0:0", "submit": "1795236500", "start": "1795236537",
        "end": "1795236600", "reason": "None", "nodes": "node1", "user": "ada", "name": "train", "comment": "",
        "line": f"sbatch --parsable --comment=hpcc:v1:{TOKEN} job.sbatch claim:{TOKEN}",
    }  # fmt: skip
    return US.join({**row, **cells}.values()) + "\n"


def test_the_start_is_always_given_and_jobs_are_asked_for_together() -> None:
    argv = sacct_argv(since_epoch_s=1795233600, job_ids=[JobId("41"), JobId("42_7")])
    assert "--starttime=2026-11-21T04:00:00" in argv
    assert argv[-1] == "--jobs=41,42_7"


def test_everybodys_jobs_are_never_asked_for() -> None:
    """An empty `--jobs=` means all jobs of all users."""
    with pytest.raises(ValueError, match="everybody"):
        sacct_argv(since_epoch_s=0)


def test_a_long_list_goes_in_pieces() -> None:
    ids = [JobId(str(number)) for number in range(1, 2 * CHUNK + 2)]
    pieces = list(chunks(ids))
    assert [len(piece) for piece in pieces] == [CHUNK, CHUNK, 1]
    assert [job_id for piece in pieces for job_id in piece] == ids


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        ("COMPLETED", "0:0", (JobState.COMPLETED, 0, None)),
        ("FAILED", "17:0", (JobState.FAILED, 17, None)),
        ("CANCELLED by 2001", "0:15", (JobState.CANCELLED, 0, 15)),
        ("CANCELLED+", "0:0", (JobState.CANCELLED, 0, None)),
        ("OUT_OF_ME+", "0:125", (JobState.OUT_OF_MEMORY, 0, 125)),
        ("TIMEOUT", "0:9", (JobState.TIMEOUT, 0, 9)),
        ("NODE_FAIL", "1:0", (JobState.NODE_FAIL, 1, None)),
    ],
)
def test_ended_jobs(state: str, status: str, expected: tuple[JobState, int, int | None]) -> None:
    (row,) = parse_sacct(_line(state=state, exit=status)).rows
    assert (row.state, row.exit_code, row.signal) == expected


def test_a_running_job_has_no_exit_code_yet() -> None:
    """sacct prints `0:0` for it, which would read as success."""
    (row,) = parse_sacct(_line(state="RUNNING", end="Unknown")).rows
    assert (row.state, row.exit_code, row.ended_at) == (JobState.RUNNING, None, None)


def test_the_token_is_found_in_the_submit_line_where_comments_are_not_stored() -> None:
    (row,) = parse_sacct(_line(comment="")).rows
    assert row.token == TOKEN


def test_a_fresh_row_of_a_lagging_database_is_still_a_row() -> None:
    """For a while it says PENDING and `allocation` although the job runs."""
    (row,) = parse_sacct(
        _line(state="PENDING", start="Unknown", end="Unknown", nodes="None assigned", name="allocation")
    ).rows
    assert (row.state, row.nodelist, row.name) == (JobState.PENDING, "", "allocation")


def test_array_rows() -> None:
    running, waiting = parse_sacct(
        _line(id="3043_1", raw="3044") + _line(id="3043_[2-5%2]", raw="3043", state="PENDING")
    ).rows
    assert (running.job_id, running.array_job_id, running.array_task) == ("3043_1", "3043", "1")
    assert (waiting.job_id, waiting.array_job_id, waiting.array_task) == ("3043", "3043", "2-5%2")


def test_a_submit_line_with_a_line_break_costs_only_its_second_half() -> None:
    rows = parse_sacct(_line(line=f"sbatch --comment=hpcc:v1:{TOKEN} --wrap=a\nb c") + _line(id="42", raw="42"))
    assert [row.job_id for row in rows.rows] == ["41", "42"]
    assert rows.malformed == 1


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    rows = parse_sacct(text)
    assert len(rows.rows) + rows.malformed <= text.count("\n") + 1


@given(st.lists(st.text(alphabet="0123456789_[]-%,+abcN/A: ", max_size=12), min_size=13, max_size=13))
def test_no_cells_break_the_reader(cells: list[str]) -> None:
    rows = parse_sacct(US.join(cells))
    assert len(rows.rows) + rows.malformed <= 1
