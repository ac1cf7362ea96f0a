"""Sweeps as tasks, on the embedded engine: real jobs, `dag.test()`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.airflow.dag_tests import DagResult, DagTests

pytestmark = [pytest.mark.adapters, pytest.mark.timeout(900)]  # all DAGs of the file run in one fixture

DAGS = Path(__file__).parent / "dag_files" / "sweeps.py"
CASES = ("array", "mapped", "chunked", "short", "invalid", "job_fails")


@pytest.fixture(scope="module")
def results(dag_tests: DagTests) -> Mapping[str, DagResult]:
    """Every case, run once."""
    file = dag_tests.dags / "sweep_cases.py"
    shutil.copy(DAGS, file)
    return dag_tests.run(*((file, case) for case in CASES))


def test_an_array_costs_four_tasks_and_returns_the_ranking(results: Mapping[str, DagResult]) -> None:
    """Submit, wait, rank, and a teardown with nothing to do; the asset's event names the best trial."""
    run = results["array"]
    assert run.state == "success"
    assert run.states() == {f"s.{name}": ["success"] for name in ("submit", "watch", "collect", "stop")}
    assert run.returned("s.watch")["completed"] == 3
    ranking = run.returned("s.collect")
    assert ranking["best"]["variables"] == {"lr": "1"}
    assert [one["mean"] for one in ranking["ranking"]] == [1.0, 2.0, 3.0]
    assert run.returned("s.stop") == []
    (event,) = run.events
    assert event["uri"].endswith("/tables/ranking.json")
    assert (event["extra"]["best_trial"], event["extra"]["best_objective"]) == ("t001", 1.0)
    written = json.loads(Path(ranking["files"][0]["path"]).read_text())
    assert written["best_trial"] == "t001"


def test_mapped_trials_have_names_and_one_that_fails_is_no_hindrance(results: Mapping[str, DagResult]) -> None:
    """Two of three are wanted; the names show from the first leg on."""
    run = results["mapped"]
    trials = run.tasks["s.trial"]
    assert [one["name"] for one in trials.values()] == ["t000 lr=3", "t001 lr=x", "t002 lr=2"]
    assert [one["state"] for one in trials.values()] == ["success", "failed", "success"]
    ranking = run.returned("s.collect")
    assert (ranking["best"]["variables"], ranking["completed"], ranking["trials"]) == ({"lr": "2"}, 2, 3)
    assert run.returned("s.trial", 0)["trial"]["params"] == {"lr": "3"}
    assert run.state == "success"


def test_chunks_are_watched_deferred_and_named(results: Mapping[str, DagResult]) -> None:
    """Each waiting task counts its own trials."""
    run = results["chunked"]
    assert run.state == "success"
    assert [one["name"] for one in run.tasks["s.watch"].values()] == ["trials 0-1", "trial 2"]
    assert [run.returned("s.watch", index)["completed"] for index in (0, 1)] == [2, 1]


def test_too_few_completed_trials_fail_the_run_and_tell_of_no_asset(results: Mapping[str, DagResult]) -> None:
    """The ranking of those that did complete is in XCom all the same."""
    run = results["short"]
    assert (run.state, run.events) == ("failed", [])
    assert run.states()["s.watch"] == ["success"]
    assert run.states()["s.collect"] == ["failed"]
    assert run.xcoms["s.collect"]["ranking"]["-1"]["completed"] == 1
    assert "1 of 2 trials completed, and 2 are wanted" in run.log


def test_an_invalid_spec_submits_nothing_and_the_teardown_runs(results: Mapping[str, DagResult]) -> None:
    """The error names key and file."""
    run = results["invalid"]
    assert run.state == "failed"
    assert run.states() == {
        "s.submit": ["failed"],
        "s.watch": ["upstream_failed"],
        "s.collect": ["upstream_failed"],
        "s.stop": ["success"],
    }
    assert "servces" in run.log
    assert run.returned("s.stop") == []


def test_a_job_that_fails_fails_its_run_though_the_teardown_succeeds(results: Mapping[str, DagResult]) -> None:
    """A teardown is no leaf that counts."""
    run = results["job_fails"]
    assert run.state == "failed"
    assert run.states() == {"j.submit": ["success"], "j.watch": ["failed"], "j.cancel": ["success"]}
