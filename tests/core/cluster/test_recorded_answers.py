"""The readers over what the real tools of Slurm 22.05 said (tests/fixtures/slurm-22.05)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cluster.engine import Accepted, Ambiguous, Refused, Rows
from compose_core.cluster.runner import Finished
from compose_core.cluster.sacct import parse_sacct
from compose_core.cluster.sbatch import parse_sbatch
from compose_core.cluster.scancel import parse_scancel
from compose_core.cluster.scontrol import parse_ping, parse_show_config, parse_show_job, seconds_setting
from compose_core.cluster.sinfo import parse_sinfo
from compose_core.cluster.slurm_text import fault_kind
from compose_core.cluster.squeue import parse_squeue, parse_squeue_steps
from compose_core.cluster.sstat import parse_sstat
from compose_core.job_state import JobState

_FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "slurm-22.05"
TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def _names(prefix: str) -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob(f"{prefix}_*.json"))


def _answer(name: str) -> Finished:
    recorded = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Finished(
        argv=tuple(recorded["argv"]), rc=recorded["rc"], stdout=recorded["stdout"], stderr=recorded["stderr"]
    )


def test_there_are_recordings_of_every_tool() -> None:
    """A moved folder must not turn the tests below into none."""
    for tool, at_least in {"sbatch": 30, "squeue": 25, "sacct": 15, "scontrol": 10, "scancel": 8, "sinfo": 3}.items():
        assert len(_names(tool)) >= at_least


@pytest.mark.parametrize("name", _names("sbatch_accepted"))
def test_an_accepted_job_is_accepted(name: str) -> None:
    parsed = parse_sbatch(_answer(name))
    expected = Ambiguous if name.endswith("without_parsable") else Accepted
    assert isinstance(parsed, expected)


@pytest.mark.parametrize("name", _names("sbatch_refused"))
def test_a_refusal_is_permanent_and_comes_with_a_remedy(name: str) -> None:
    parsed = parse_sbatch(_answer(name))
    assert isinstance(parsed, Refused)
    assert parsed.kind == "permanent"
    assert parsed.remedy


@pytest.mark.parametrize("name", ["sbatch_controller_down", "sbatch_munge_down"])
def test_where_nobody_took_the_request_the_scheduler_is_unreachable(name: str) -> None:
    parsed = parse_sbatch(_answer(name))
    assert isinstance(parsed, Refused)
    assert parsed.kind == "unreachable"


def test_where_no_configuration_is_found_nobody_was_asked() -> None:
    parsed = parse_sbatch(_answer("sbatch_no_configuration"))
    assert isinstance(parsed, Refused)
    assert parsed.kind == "unconfigured"


def test_a_frozen_controller_may_have_the_job() -> None:
    assert isinstance(parse_sbatch(_answer("sbatch_controller_frozen")), Ambiguous)


@pytest.mark.parametrize("name", [name for name in _names("squeue") if "steps" not in name])
def test_every_row_of_squeue_is_read(name: str) -> None:
    answer = _answer(name)
    if "--noheader" not in answer.argv:
        pytest.skip("recorded with a header, which is never asked for")
    rows = parse_squeue(answer.stdout)
    assert (rows.malformed, len(rows.rows)) == (0, answer.stdout.count("\n"))
    assert all(row.state is not JobState.UNKNOWN for row in rows.rows)
    assert all(row.user and row.submitted_at for row in rows.rows)


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("squeue_running", JobState.RUNNING, ""),
        ("squeue_pending_held", JobState.PENDING, "JobHeldUser"),
        ("squeue_pending_begin_time", JobState.PENDING, "BeginTime"),
        ("squeue_pending_dependency", JobState.PENDING, "Dependency"),
        ("squeue_pending_resources", JobState.PENDING, "Resources"),
        ("squeue_completing", JobState.COMPLETING, None),
        ("squeue_completed", JobState.COMPLETED, ""),
        ("squeue_cancelled", JobState.CANCELLED, None),
        ("squeue_timeout", JobState.TIMEOUT, "TimeLimit"),
        ("squeue_node_fail", JobState.NODE_FAIL, "NodeDown"),
        ("squeue_suspended", JobState.SUSPENDED, None),
    ],
)
def test_states_of_squeue(name: str, state: JobState, reason: str | None) -> None:
    (row,) = parse_squeue(_answer(name).stdout).rows
    assert (row.state, row.token) == (state, TOKEN)
    assert reason in (None, row.reason)


def test_arrays_of_squeue() -> None:
    (waiting,) = parse_squeue(_answer("squeue_array_pending").stdout).rows
    assert waiting.job_id == waiting.array_job_id
    assert waiting.array_task == "2-5%2"
    mixed = parse_squeue(_answer("squeue_array_running").stdout).rows
    assert [row.array_task for row in mixed] == ["4-5%2", "3", "2"]
    assert [row.job_id for row in mixed[1:]] == [f"{mixed[0].job_id}_3", f"{mixed[0].job_id}_2"]


def test_odd_texts_of_a_name_and_a_comment() -> None:
    (row,) = parse_squeue(_answer("squeue_odd_texts").stdout).rows
    assert row.name.startswith("a|b c  ünï→码 'q' \"d\"")
    assert row.token == TOKEN


def test_steps_of_squeue() -> None:
    steps = parse_squeue_steps(_answer("squeue_steps").stdout)
    assert {"web", "db", "batch", "extern"} == {step.name for step in steps}


@pytest.mark.parametrize("name", [name for name in _names("sacct") if name != "sacct_steps"])
def test_every_row_of_sacct_is_read(name: str) -> None:
    answer = _answer(name)
    rows = parse_sacct(answer.stdout)
    assert (rows.malformed, len(rows.rows)) == (0, answer.stdout.count("\n"))
    assert all(row.state is not JobState.UNKNOWN for row in rows.rows)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sacct_completed", (JobState.COMPLETED, 0, None)),
        ("sacct_failed", (JobState.FAILED, 17, None)),
        ("sacct_killed", (JobState.FAILED, 0, 9)),
        ("sacct_timeout", (JobState.TIMEOUT, 0, None)),
        ("sacct_cancelled", (JobState.CANCELLED, 0, None)),
        ("sacct_node_fail", (JobState.NODE_FAIL, 0, None)),
        ("sacct_preempted", (JobState.PREEMPTED, 0, None)),
        ("sacct_output_missing", (JobState.FAILED, 0, 53)),
        ("sacct_running", (JobState.RUNNING, None, None)),
        ("sacct_lagging", (JobState.PENDING, None, None)),
        ("sacct_requeued", (JobState.COMPLETED, 0, None)),
    ],
)
def test_states_of_sacct(name: str, expected: tuple[JobState, int | None, int | None]) -> None:
    (row,) = parse_sacct(_answer(name).stdout).rows
    assert (row.state, row.exit_code, row.signal) == expected


def test_a_running_jobs_token_comes_from_its_submit_line() -> None:
    """The comment is stored only at the end."""
    (row,) = parse_sacct(_answer("sacct_running").stdout).rows
    assert row.token == TOKEN


def test_steps_are_no_jobs() -> None:
    rows = parse_sacct(_answer("sacct_steps").stdout)
    assert isinstance(rows, Rows)
    assert len(rows.rows) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("squeue_controller_down", "unreachable"),
        ("squeue_controller_frozen", "unreachable"),
        ("squeue_munge_down", "unreachable"),
        ("sacct_database_down", "unreachable"),
        ("sacct_disabled", "disabled"),
        ("sacct_invalid_field", "error"),
        ("squeue_unknown_id", "error"),
        ("sinfo_controller_down", "unreachable"),
        ("scontrol_show_job_controller_down", "unreachable"),
    ],
)
def test_what_a_failed_query_means(name: str, kind: str) -> None:
    answer = _answer(name)
    assert answer.rc != 0
    assert fault_kind(answer.stderr) == kind


@pytest.mark.parametrize(
    ("name", "requested", "reachable"),
    [
        ("scancel_running", True, True),
        ("scancel_pending", True, True),
        ("scancel_finished", True, True),
        ("scancel_unknown", True, True),
        ("scancel_denied", False, True),
        ("scancel_invalid", False, True),
        ("scancel_controller_down", False, False),
        ("scancel_controller_frozen", False, False),
    ],
)
def test_answers_of_scancel(name: str, requested: bool, reachable: bool) -> None:
    parsed = parse_scancel(_answer(name))
    assert (parsed.requested, parsed.reachable) == (requested, reachable)


def test_jobs_of_scontrol() -> None:
    fields = parse_show_job(_answer("scontrol_show_job_failed").stdout)
    assert (fields["JobState"], fields["Reason"], fields["ExitCode"]) == ("FAILED", "NonZeroExitCode", "17:0")
    assert fields["JobName"] == "failing job with spaces"
    assert fields["Comment"] == f"hpcc:v1:{TOKEN}:and words"
    requeued = parse_show_job(_answer("scontrol_show_job_requeued").stdout)
    assert requeued["Restarts"] == "1"


def test_settings_and_ping_of_scontrol() -> None:
    assert seconds_setting(parse_show_config(_answer("scontrol_show_config").stdout), "KillWait") == 5
    assert parse_ping(_answer("scontrol_ping_up").stdout)
    assert not parse_ping(_answer("scontrol_ping_controller_down").stdout)
    assert not parse_ping(_answer("scontrol_ping_frozen").stdout)


def test_partitions_of_sinfo() -> None:
    rows = parse_sinfo(_answer("sinfo_partitions").stdout)
    assert {row.partition for row in rows} == {"debug", "gpu", "preempt"}
    assert {row.partition for row in rows if row.is_default} == {"debug"}
    assert {row.state for row in parse_sinfo(_answer("sinfo_node_down").stdout)} & {"down", "down*"}


def test_steps_of_sstat() -> None:
    """Of several jobs it tells of those that run, with status 0."""
    steps = parse_sstat(_answer("sstat_running").stdout).steps
    assert {step.step for step in steps} == {"extern", "batch", "0", "1"}
    assert all(step.max_rss_bytes and "mem" in step.tres_usage_in_tot for step in steps)
    assert parse_sstat(_answer("sstat_partly").stdout).steps == steps
    for name in ("sstat_finished", "sstat_unknown"):
        assert parse_sstat(_answer(name).stdout).steps == ()
