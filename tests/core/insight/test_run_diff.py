"""What differs between two runs."""

from __future__ import annotations

import pytest

from compose_core.insight.config_changes import Change, changes, snapshot_leaves
from compose_core.insight.run_diff import diff_against_spec, diff_runs
from compose_core.job_state import JobState
from compose_core.submission.facts import config_yaml
from tests.core.insight.runs import record, service, snapshot


def test_two_equal_runs_differ_in_nothing() -> None:
    """Ids and times of submission are no difference."""
    found = diff_runs(snapshot(record("7")), snapshot(record("8", submitted_at=300.0)))
    assert (found.outcome_changes, found.resource_changes, found.config_changes) == ((), (), ())
    assert (found.provenance_changes, found.notes, found.asks_for_something_else) == ((), (), False)


def test_an_outcome_is_compared_down_to_the_services() -> None:
    """The first failure comes from the service that failed first."""
    good = snapshot(record("7"), services=(service("web"),))
    failed = service("web", "failed", last_exit_code=3, first_failure_at=115.0, first_failure_exit_code=3)
    later = service("late", "failed", first_failure_at=118.0, first_failure_exit_code=9)
    bad = snapshot(record("8"), JobState.FAILED, exit_code=3, ended_at=140.0, services=(later, failed))
    found = diff_runs(good, bad)
    assert {change.path: (change.left, change.right) for change in found.outcome_changes} == {
        "duration_s": (10, 30),
        "exit_code": (0, 3),
        "first_failure.exit_code": (None, 3),
        "first_failure.service": (None, "web"),
        "scheduler_state": ("COMPLETED", "FAILED"),
        "services.late.restart_count": (None, 0),
        "services.late.status": (None, "failed"),
        "services.web.last_exit_code": (None, 3),
        "services.web.status": ("exited", "failed"),
    }
    assert found.as_json()["right"]["first_failure"] == {
        "service": "web",
        "exit_code": 3,
        "at_unix": 115.0,
        "node": None,
        "rank": None,
    }


def test_requests_and_configuration_are_compared_by_key() -> None:
    """Numbers stay numbers; a list is one value."""
    left = record(
        requests={"mem_bytes": 1024, "services": {"web": {"cpus": 2}}},
        config_snapshot_yaml="x-slurm:\n  mem: 1K\nservices:\n  web:\n    command: [a, b]\n    nodes: 1\n",
    )
    right = record(
        requests={"mem_bytes": 2048, "services": {"web": {"cpus": 2}}},
        config_snapshot_yaml="x-slurm:\n  mem: 2K\nservices:\n  web:\n    command: [a, c]\n    nodes: 2\n",
    )
    found = diff_runs(snapshot(left), snapshot(right))
    assert found.resource_changes == (Change("mem_bytes", 1024, 2048),)
    assert found.config_changes == (
        Change("services.web.command", ["a", "b"], ["a", "c"]),
        Change("services.web.nodes", 1, 2),
        Change("x-slurm.mem", "1K", "2K"),
    )
    assert found.asks_for_something_else


def test_a_run_without_a_snapshot_says_that_it_cannot_be_compared() -> None:
    """Outcomes still are."""
    old = record(config_snapshot_yaml=None, requests=None)
    huge = record("8", config_snapshot_yaml=None, config_snapshot_note="too large")
    found = diff_runs(snapshot(old), snapshot(huge, JobState.FAILED))
    assert [change.path for change in found.outcome_changes] == ["scheduler_state"]
    assert found.notes == (
        "resource comparison unavailable: job 7 has no requests on record",
        "config comparison unavailable: job 7 has no configuration on record",
        "config comparison unavailable: job 8 has no configuration on record (too large)",
    )


def test_a_change_that_only_a_hidden_value_made_is_told() -> None:
    """The digests differ, and what is shown does not."""
    left = record(spec_sha256="1" * 64, config_snapshot_yaml="env: {API_TOKEN: '***'}\n")
    right = record("8", spec_sha256="2" * 64, config_snapshot_yaml="env: {API_TOKEN: '***'}\n")
    found = diff_runs(snapshot(left), snapshot(right))
    assert found.config_changes == ()
    assert found.notes == ("the configurations differ in a value that is not shown",)
    assert found.asks_for_something_else


def test_a_job_that_runs_is_compared_with_a_remark() -> None:
    """Its outcome is not the last one."""
    found = diff_runs(snapshot(record("7")), snapshot(record("8"), JobState.RUNNING, ended_at=None))
    assert "job 8 has not ended yet" in found.notes


def test_a_job_is_compared_with_what_would_be_submitted_now() -> None:
    """There is no outcome to compare."""
    now = record("8", provenance={"tool_version": "2"}, config_snapshot_yaml="name: other\n")
    found = diff_against_spec(snapshot(record("7"), JobState.FAILED), now)
    assert found.outcome_changes == ()
    assert found.config_changes == (Change("name", "hello", "other"),)
    assert found.right["compose_file"] == "/p/compose.yaml"
    assert "job_id" not in found.right


@pytest.mark.parametrize("text", ["", "[1]", "a: [", "a: &x [1, 1]\nb: &y [" + "*x, " * 9000 + "*x]", "a: 1\n" * 2])
def test_a_snapshot_that_is_none_is_not_compared(text: str) -> None:
    """Somebody wrote into the record."""
    assert snapshot_leaves(text) is None


def test_what_is_kept_is_read_back_as_it_was() -> None:
    """Text that looks like something else stays text."""
    config = '{"time":"00:10:00","mem":"4G","n":4,"on":"yes","empty":{},"text":"a\\nb: c","flag":true,"none":null}'
    assert snapshot_leaves(config_yaml(config)) == {
        "time": "00:10:00",
        "mem": "4G",
        "n": 4,
        "on": "yes",
        "empty": {},
        "text": "a\nb: c",
        "flag": True,
        "none": None,
    }


def test_a_missing_key_and_null_are_the_same() -> None:
    """Both mean: not said."""
    assert changes({"a": None}, {}) == ()
