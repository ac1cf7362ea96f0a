"""What the manual's page on Airflow tells its reader to write and to type, on the embedded engine: its DAGs run as they stand there."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.airflow.dag_tests import DagResult, DagTests
from tests.docs.page_blocks import ROOT, Block, blocks_of

pytestmark = [pytest.mark.adapters, pytest.mark.timeout(900)]  # all DAGs of the page run in one fixture

PAGE = list(blocks_of(ROOT / "docs" / "airflow.md"))
DAG_BLOCKS = [block for block in PAGE if block.info == "python"]
TYPED = [block for block in PAGE if block.info == "bash"]
DAG_IDS = ("hello", "nightly", "rank", "mapped", "produce", "consume", "serve", "tune")
COMPOSE = """\
name: of-the-page
runtime: {backend: host}
sweep:
  parameters: {lr: [3, 1, 2]}
  objective: {direction: minimize, metric: loss}
x-slurm:
  time: "00:05:00"
  artifacts: {export_dir: ./results, bundles: {model: {paths: [/hpc-compose/job/model.json]}}}
services:
  train:
    environment: {LR: "${lr:-1}"}
    command: |
      echo '{"slope": 2}' > "$HPC_COMPOSE_JOB_DIR/model.json"
      printf '{"step": 1, "name": "loss", "value": %s}\\n' "$LR" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"
"""
SERVER = """\
name: server
runtime: {backend: host}
x-slurm: {time: "00:05:00"}
services:
  web:
    command: [python3, -m, http.server, "@{web.port.http}"]
    readiness: {type: http, url: "http://@{web.host}:@{web.port.http}/", timeout_seconds: 60}
    x-slurm: {ports: [http]}
"""


@pytest.fixture(scope="module")
def results(dag_tests: DagTests) -> Iterator[Mapping[str, DagResult]]:
    """Every DAG of the page, run once in the page's order; the server of one of them ends with the tests."""
    folder = dag_tests.dags / "manual"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "server.yaml").write_text(SERVER)
    files: dict[str, Path] = {}
    for block in DAG_BLOCKS:
        file = folder / f"line_{block.line}.py"
        file.write_text(block.text)
        files |= dict.fromkeys(_dag_ids(block), file)
    found = dag_tests.run(*((files[dag_id], dag_id) for dag_id in DAG_IDS))
    yield found
    job = found["serve"].returned("server")
    subprocess.run(
        [Path(sys.executable).with_name("hpcc"), "cancel", "--job-id", job["job_id"]],
        cwd=job["project_dir"], env=dag_tests.environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def _dag_ids(block: Block) -> list[str]:
    return re.findall(r'\bDAG\("(\w+)"', block.text)


def test_every_block_of_the_page_is_tried() -> None:
    """A new one has to get its test."""
    assert sorted(dag_id for block in DAG_BLOCKS for dag_id in _dag_ids(block)) == sorted(DAG_IDS)
    assert [block.text.split()[0] for block in TYPED] == ["pip", "airflow", "export", "airflow"]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_of_the_page_runs_as_it_stands_there(results: Mapping[str, DagResult], dag_id: str) -> None:
    run = results[dag_id]
    assert run.state == "success", run.log[-6000:]
    assert {state for states in run.states().values() for state in states} == {"success"}


def test_the_dags_of_the_page_do_what_it_says_of_them(results: Mapping[str, DagResult]) -> None:
    assert results["nightly"].returned("train.artifacts")["model"]["files"] == 1
    ranking = results["rank"].returned("sweep.collect")
    assert (ranking["best"]["variables"], ranking["best"]["objective"]) == ({"lr": "1"}, 1.0)
    assert {Path(file["path"]).name for file in ranking["files"]} == {"ranking.json", "trials.csv"}
    assert len(results["mapped"].tasks["train"]) == 3
    (event,) = results["produce"].events
    told = results["consume"].returned("newest")
    assert told == {"where": event["uri"], "sha256": event["extra"]["sha256"], "job": event["extra"]["job_id"]}
    endpoint = results["serve"].returned("ready")
    assert set(endpoint) == {"v", "job_id", "service", "state", "host", "ports", "urls"}
    assert endpoint["urls"]["http"] in results["serve"].log
    assert len(results["tune"].tasks["train"]) == 2


def test_the_commands_of_the_page_work_as_they_stand_there(
    results: Mapping[str, DagResult], dag_tests: DagTests, tmp_path: Path
) -> None:
    """The connection without any field, and the look for jobs that nobody waits for; on Airflow 3.1 by the program that the page names."""
    _, add, _, look = TYPED
    database = tmp_path / "airflow.db"
    shutil.copy(dag_tests.home / "airflow" / "airflow.db", database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM connection")
        connection.commit()
        _type(dag_tests, add, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{database}")
        assert connection.execute("SELECT conn_id, conn_type FROM connection").fetchall() == [
            ("hpccompose_default", "hpccompose")
        ]
    if version("apache-airflow").startswith("3.1."):
        look = look._replace(text=look.text.replace("airflow hpccompose", "python -m airflow_provider_hpccompose.cli"))
    assert results["serve"].returned("server")["job_id"] in _type(dag_tests, look)


def test_the_connections_of_the_page_lead_to_its_login_node(dag_tests: DagTests) -> None:
    """By either of the two ways in which the page writes them."""
    look = """from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
settings = HpcComposeHook("east").settings
print("@@", settings.transport, settings.login, settings.host, settings.key_file)"""
    _, _, variables, _ = TYPED
    for line in variables.text.splitlines():
        said = dag_tests.call(["bash", "-eu", "-c", f'{line}\n"$@"', "-", sys.executable, "-c", look])
        assert said.rpartition("@@ ")[2].split() == ["ssh", "me", "login.example", "/shared/keys/id"]


def _type(dag_tests: DagTests, block: Block, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}:{dag_tests.environment['PATH']}"
    given = [f"{name}={value}" for name, value in {"PATH": path, **variables}.items()]
    return dag_tests.call(["env", *given, "bash", "-eu", "-o", "pipefail", "-c", block.text])
