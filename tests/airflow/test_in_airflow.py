"""What a person sees and sets up in a real Airflow: the form of a connection, its test, and a DAG that an asset starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_hpccompose.connection_form import RELABELING, conn_fields
from tests.airflow.airflow_bench import AirflowBench
from tests.airflow.browser import browser_program
from tests.airflow.connections import LOCAL
from tests.airflow.driven_browser import page_of
from tests.airflow.world import World
from tests.slurm.bench import SlurmBench
from tests.slurm.bench import missing_requirements as missing_for_slurm

pytestmark = [pytest.mark.adapters, pytest.mark.timeout(900)]  # deadlines of a machine that does other things, too


@pytest.fixture
def world(airflow_bench: AirflowBench, tmp_path: Path) -> World:
    """Projects for the embedded engine."""
    airflow_bench.wait_for_dags("watched_job", "after_a_job")
    return World(airflow_bench, LOCAL, tmp_path / "projects")


def test_a_job_that_ends_starts_the_dag_of_its_asset(world: World) -> None:
    """By a watcher in the triggerer: no task waits for the job, and the event says which one it was."""
    run = world.start("watched_job", world.project("watched"))
    assert run.end() == "success"
    job_id = run.xcom("job")["job_id"]

    def told() -> dict[str, Any] | None:
        answer = world.client.request("GET", "/dags/after_a_job/dagRuns?limit=100")
        for one in answer["dag_runs"]:
            if one["state"] == "success":
                said: dict[str, Any] = world.client.xcom("after_a_job", one["dag_run_id"], "told")
                if said["job_id"] == job_id:
                    return said
        return None

    said = world.client.wait(told, 300, what=lambda: f"a run of after_a_job for job {job_id}")
    assert (said["verdict"], said["dag_id"], said["run_id"]) == ("ok", "watched_job", run.run_id)


@pytest.mark.skipif(browser_program() is None, reason="a browser is missing")
def test_the_form_of_a_connection_has_every_field(world: World, tmp_path: Path) -> None:
    """In the page that people use: the type is chosen, and its own fields appear."""
    dialog = "document.querySelector('[role=dialog]')"
    with page_of(f"{world.client.url}/connections", tmp_path / "profile") as page:
        page.press("Add Connection")
        box = f"const e = {dialog}?.querySelector('input[role=combobox]')"
        page.wait_for(f"(() => {{ {box}; if (e) e.focus(); return Boolean(e); }})()")
        page.type("hpc")
        page.press("HPC Compose")
        shown = page.wait_for(f"{dialog}.textContent.includes('Workspace') && {dialog}.textContent")
    wanted = [field["label"] for field in conn_fields().values()] + list(RELABELING.values())
    assert [label for label in wanted if label not in shown] == []
    assert "Password" not in shown


def test_the_form_s_test_says_what_the_cluster_can_do(
    airflow_bench: AirflowBench, request: pytest.FixtureRequest
) -> None:
    """As the button does: through the API server, which loads the hook."""
    extra: dict[str, Any] = {"transport": "local", "engine": "local", "workspace": str(airflow_bench.home / "work")}
    is_slurm = not missing_for_slurm()
    if is_slurm:
        slurm: SlurmBench = request.getfixturevalue("slurm_bench")
        extra |= {"engine": "slurm", "workspace": str(slurm.shared_dir / "work")}
    body = {"connection_id": "tried", "conn_type": "hpccompose", "extra": json.dumps(extra)}
    answer = airflow_bench.client.request("POST", "/connections/test", body)
    assert answer["status"] is True, answer
    words = ("Slurm 2", "accounting o", "partitions ") if is_slurm else ("the local engine",)
    for said in (*words, "container programs on this machine: ", f"workspace {extra['workspace']}"):
        assert said in answer["message"]
    body["extra"] = json.dumps({"transport": "telnet"})
    answer = airflow_bench.client.request("POST", "/connections/test", body)
    assert answer["status"] is False
    assert "transport is 'telnet'; it can be local, ssh" in answer["message"]
