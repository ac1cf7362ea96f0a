from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.cluster.sacct_usage import USAGE_FIELDS, parse_sacct_usage, sacct_usage_argv
from compose_core.cluster.tres import cpu_time_s, gpu_count, size, tres_map
from compose_core.cluster.usage_rows import UsageRows
from compose_core.job_state import JobId, JobState
from compose_core.testing.fake_usage import cpu_time_text

US = "\x1f"
MIB = 1024 * 1024
_FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "slurm-22.05"


def recorded(name: str) -> UsageRows:
    """What a real sacct said."""
    return parse_sacct_usage(json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["stdout"])


def test_the_start_is_always_given_and_jobs_are_asked_for_together() -> None:
    argv = sacct_usage_argv(since_epoch_s=1795233600, job_ids=[JobId("41"), JobId("42_7")])
    assert {"--starttime=2026-11-21T04:00:00", "--noconvert", "--jobs=41,42_7"} <= set(argv)
    assert "--allocations" not in argv, "memory is told of steps alone"
    with pytest.raises(ValueError, match="everybody"):
        sacct_usage_argv(since_epoch_s=0, job_ids=[])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:01.234", 1.234),
        ("00:00:00", 0),
        ("02:03:04", 7384),
        ("1-02:03:04", 93784),
        ("59:59.999", 3599.999),
        ("", None),
        ("Unknown", None),
        ("1-2", None),
    ],
)
def test_cpu_times(text: str, seconds: float | None) -> None:
    assert cpu_time_s(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.floats(min_value=0.001, max_value=3599.9), st.integers(min_value=3600, max_value=10**8))
def test_a_cpu_time_survives_writing(short: float, long: int) -> None:
    assert cpu_time_s(cpu_time_text(short)) == pytest.approx(short, abs=0.002)
    assert cpu_time_s(cpu_time_text(long)) == long


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("1584K", 1584 * 1024),
        ("1.50G", 1.5 * 1024**3),
        ("500Mc", 500 * MIB),
        ("22171648", 22171648),
        ("16?", 16),
        ("18446744073709551614", None),
        ("", None),
        ("lots", None),
        ("9" * 20 + "E", None),
    ],
)
def test_sizes(text: str, figure: float | None) -> None:
    assert size(text) == figure


def test_trackable_resources() -> None:
    tres = tres_map("billing=4,cpu=4,gres/gpu:a100=2,gres/gpu:h100=1,mem=1000M,node=2")
    assert (tres["cpu"], tres["mem"], gpu_count(tres)) == (4, 1000 * MIB, 3)
    assert gpu_count(tres_map("gres/gpu=4,gres/gpu:a100=4")) == 4
    used = tres_map("cpu=1-00:00:02,energy=0,fs/disk=61280,mem=22171648,odd,=3,gpu=x")
    assert used == {"cpu": 86402, "energy": 0, "fs/disk": 61280, "mem": 22171648}
    assert tres_map("") == {}


def test_a_job_of_two_steps_that_ended() -> None:
    """The job's TotalCPU is what was used; CPUTimeRAW is what was set aside."""
    answer = recorded("usage_completed")
    assert answer.malformed == 0
    rows = {row.step: row for row in answer.rows}
    assert set(rows) == {"", "batch", "extern", "0", "1"}
    job = rows[""]
    assert (job.state, job.alloc_cpus, job.nnodes, job.nodelist) == (JobState.COMPLETED, 4, 2, "node[1-2]")
    assert job.elapsed_s is not None
    assert job.cpu_time_s == 4 * job.elapsed_s
    assert job.total_cpu_s is not None
    assert job.total_cpu_s < job.cpu_time_s
    assert sum(row.total_cpu_s or 0 for row in answer.rows if row.step) == pytest.approx(job.total_cpu_s, abs=0.02)
    assert (job.alloc_tres["mem"], gpu_count(job.alloc_tres), job.time_limit_s) == (1000 * MIB, 2, 300)
    assert job.max_rss_bytes is None
    steps = {row.name: row for row in answer.rows if row.step}
    one, two = steps["one"], steps["two"]
    assert (one.ntasks, two.ntasks, two.nnodes) == (1, 4, 2)
    assert one.max_rss_bytes is not None
    assert 50 * MIB < one.max_rss_bytes < 100 * MIB
    assert two.max_rss_bytes is not None
    assert 3 * two.max_rss_bytes < two.tres_usage_in_tot["mem"] <= 4 * two.max_rss_bytes


def test_a_job_that_has_just_begun_has_no_figures_rather_than_zeros_that_count() -> None:
    answer = recorded("usage_fresh")
    (job,) = [row for row in answer.rows if not row.step]
    assert (job.alloc_cpus, dict(job.alloc_tres), job.end, job.exit_code, job.qos) == (0, {}, None, None, "")
    assert all(row.end is None for row in recorded("usage_running").rows)


def test_tasks_of_an_array_are_known_by_their_own_ids() -> None:
    rows = recorded("usage_array").rows
    base = rows[0].job_id.partition("_")[0]
    assert {row.job_id for row in rows} == {f"{base}_{task}" for task in range(4)}
    assert {row.job_id for row in recorded("usage_array_task").rows} == {f"{base}_2"}


def test_tasks_that_wait_together_have_used_nothing() -> None:
    assert recorded("usage_waiting") == UsageRows(rows=(), source="sacct")
    line = US.join(["3043_[2-5%2]", "PENDING", *[""] * (len(USAGE_FIELDS) - 2)])
    assert parse_sacct_usage(line + "\n") == UsageRows(rows=(), source="sacct")


def test_a_name_with_a_line_break_or_a_separator_costs_nothing_but_itself() -> None:
    cells = ["41", "COMPLETED", "0:0", *[""] * (len(USAGE_FIELDS) - 4)]
    answer = parse_sacct_usage(US.join([*cells, f"a{US}b|c"]) + "\n" + US.join([*cells, "d\ne"]) + "\n")
    assert [row.name for row in answer.rows] == [f"a{US}b|c", "d"]
    assert answer.malformed == 1


@given(st.lists(st.text(alphabet="0123456789_[].-%,+abcN/A:=KMG? ", max_size=24), min_size=23, max_size=23))
def test_no_cells_break_the_reader(cells: list[str]) -> None:
    rows = parse_sacct_usage(US.join(cells))
    assert len(rows.rows) + rows.malformed <= 1
