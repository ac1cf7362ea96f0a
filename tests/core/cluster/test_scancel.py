from __future__ import annotations

from compose_core.cluster.runner import Finished
from compose_core.cluster.scancel import kill_steps_argv, parse_scancel, scancel_argv
from compose_core.job_state import JobId


def _answer(rc: int, stderr: str = "") -> Finished:
    return Finished(argv=("scancel",), rc=rc, stderr=stderr)


def test_a_job_is_cancelled_by_its_id_and_steps_are_killed_by_theirs() -> None:
    assert scancel_argv(JobId("41")) == ["scancel", "41"]
    assert kill_steps_argv(["41.0", "41.1"]) == ["scancel", "--signal=KILL", "41.0", "41.1"]


def test_silence_with_status_0_means_that_it_was_requested() -> None:
    assert parse_scancel(_answer(0)).requested


def test_a_controller_that_is_down_changed_nothing() -> None:
    answer = parse_scancel(
        _answer(8, "scancel: error: Kill job error on job id 41: Unable to contact slurm controller")
    )
    assert (answer.requested, answer.reachable) == (False, False)


def test_a_refusal_is_told() -> None:
    answer = parse_scancel(_answer(1, "scancel: error: Kill job error on job id 41: Access/permission denied\n"))
    assert (answer.requested, answer.reachable) == (False, True)
    assert "permission denied" in answer.message
