"""The example DAGs, each run by `dag.test()` on the embedded engine: no GPU, no scheduler, no internet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.airflow.dag_tests import DagResult, DagTests

pytestmark = [pytest.mark.adapters, pytest.mark.timeout(900)]  # all DAGs of the file run in one fixture

EXAMPLES = {
    "train_one_model": "one_operator/train_one_model.py",
    "evaluate_new_models": "on_asset/evaluate_new_models.py",
    "serve_and_ask": "model_server/serve_and_ask.py",
    "etl_with_database": "etl_postgres/etl_with_database.py",
    "rank_learning_rates": "sweep/rank_learning_rates.py",
    "one_job_in_steps": "steps/one_job_in_steps.py",
}
"""In this order: the second one reads what the first one told."""


@pytest.fixture(scope="module")
def results(dag_tests: DagTests, repository: Path) -> Mapping[str, DagResult]:
    """Every example, run once."""
    folder = dag_tests.dags / "airflow"
    ignored = shutil.ignore_patterns(".hpc-compose", "results", "slurm-*", "ranking", "__pycache__")
    shutil.copytree(repository / "examples" / "airflow", folder, ignore=ignored)
    chosen = [name for name in EXAMPLES if name != "etl_with_database" or _has_postgres()]
    return dag_tests.run(*((folder / EXAMPLES[name], name) for name in chosen))


def test_every_example_is_run_here(repository: Path) -> None:
    """A new one has to get its test."""
    found = {str(path.relative_to(repository / "examples" / "airflow")) for path in _dag_files(repository)}
    assert found == set(EXAMPLES.values())


def test_every_example_says_what_it_shows_and_retries(repository: Path) -> None:
    """A deferred task can fail by no fault of its own; its retry finds the job."""
    for path in _dag_files(repository):
        text = path.read_text()
        assert "\nShows: " in text, path
        assert "\nStart from it when " in text, path
        assert '"retries": 2' in text, path


def test_one_operator_trains_exports_and_tells_of_the_model(results: Mapping[str, DagResult]) -> None:
    """The event's digest is that of what lies there."""
    run = results["train_one_model"]
    assert (run.state, run.states()) == ("success", {"train": ["success"], "report": ["success"]})
    result = run.returned("train")
    model = result["artifacts"]["model"]
    assert (result["verdict"], model["files"]) == ("ok", 1)
    (event,) = run.events
    assert event["uri"] == f"hpccompose://default{model['uri']}"
    assert event["extra"] == {
        "bundle": "model",
        "sha256": model["sha256"],
        "manifest": model["manifest"],
        "bytes": model["bytes"],
        "files": 1,
        "job_id": result["job_id"],
        "token": result["token"],
    }
    weights = json.loads(next(Path(model["uri"]).rglob("weights.json")).read_text())
    assert 2 < weights["slope"] < 4
    assert run.returned("report") == model["sha256"]


def test_an_asset_s_consumer_gets_the_address_and_the_facts(results: Mapping[str, DagResult]) -> None:
    """It reads the very model that was told of."""
    run = results["evaluate_new_models"]
    assert run.states() == {"newest": ["success"], "evaluate": ["success"]}
    told = results["train_one_model"].returned("train")["artifacts"]["model"]
    assert run.returned("newest") == {"MODEL": told["uri"], "SHA256": told["sha256"]}
    assert "the slope of run" in run.log


def test_clients_ask_a_server_that_is_ended_after_them(results: Mapping[str, DagResult]) -> None:
    """The server's job would run for ever."""
    run = results["serve_and_ask"]
    assert run.state == "success"
    assert run.states()["ask"] == ["success"] * 3
    assert run.returned("add") == len("one") + len("three") + len("fifteen")
    assert run.returned("stop")["verdict"] == "cancelled"


@pytest.mark.skipif(not shutil.which("psql"), reason="psql is not installed")
def test_an_etl_job_brings_its_database(results: Mapping[str, DagResult]) -> None:
    """And what it found comes back as a report."""
    if "etl_with_database" not in results:
        pytest.skip("no Postgres server is installed")
    run = results["etl_with_database"]
    assert run.state == "success"
    assert run.returned("totals") == {"east": 12.0, "north": 15.0, "south": 10.0}


def test_a_sweep_is_watched_in_chunks_ranked_and_followed_by_its_best(results: Mapping[str, DagResult]) -> None:
    """Two tasks watch six trials; the last job has the best parameters."""
    run = results["rank_learning_rates"]
    assert run.state == "success"
    watched = run.tasks["sweep.watch"]
    assert [one["name"] for one in watched.values()] == ["trials 0-3", "trials 4-5"]
    ranking = run.returned("sweep.collect")
    assert (ranking["trials"], ranking["completed"], ranking["configurations"]) == (6, 6, 6)
    means = [one["mean"] for one in ranking["ranking"]]
    assert means == sorted(means)
    best = ranking["best"]
    assert run.returned("final")["trial"] == best["variables"]
    (event,) = run.events
    table = Path(ranking["files"][0]["path"])
    assert event["uri"] == f"hpccompose://default{table}"
    assert event["extra"]["best_params"] == best["variables"]
    assert event["extra"]["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()


def test_a_job_in_steps_is_torn_down_after_a_good_end_without_harm(results: Mapping[str, DagResult]) -> None:
    """The teardown finds it over."""
    run = results["one_job_in_steps"]
    assert run.state == "success"
    assert set(run.states()) == {"job.submit", "job.watch", "job.artifacts", "job.cancel", "tell"}
    assert run.returned("job.watch")["verdict"] == "ok"
    assert run.returned("job.cancel")["verdict"] == "ok"
    assert run.returned("job.artifacts")["default"]["files"] == 1


def _dag_files(repository: Path) -> list[Path]:
    files = (repository / "examples" / "airflow").rglob("*.py")
    return [path for path in files if "from airflow.sdk import" in path.read_text()]


def _has_postgres() -> bool:
    return bool(shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres")))
