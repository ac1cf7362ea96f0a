"""The life of a job's task in a real Airflow, on the local engine and on a real Slurm: all scenarios side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.airflow.airflow_bench import AirflowBench
from tests.airflow.browser import browser_program, links, page, words
from tests.airflow.connections import LOCAL, SLURM, SSH
from tests.airflow.scenarios import ON_BOTH, ON_LOCAL, ON_SLURM, ON_SSH, Scenario
from tests.airflow.sshd_bench import missing_programs as missing_for_login_node
from tests.airflow.world import World
from tests.slurm.bench import SlurmBench
from tests.slurm.bench import missing_requirements as missing_for_slurm

pytestmark = [pytest.mark.adapters, pytest.mark.timeout(900)]  # deadlines of a machine that does other things, too

_AT_ONCE = 6
_PATIENCE_S = 600.0

CASES: dict[str, tuple[str, Scenario]] = {
    f"{engine}-{scenario.__name__}": (engine, scenario)
    for engine, scenarios in (("local", ON_BOTH + ON_LOCAL), ("slurm", ON_BOTH + ON_SLURM), ("ssh", ON_SSH))
    for scenario in scenarios
}


@pytest.fixture(scope="module")
def worlds(
    airflow_bench: AirflowBench, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, World]:
    """Each engine with its connection."""
    airflow_bench.wait_for_dags("one_job", "named_rows")
    worlds = {"local": World(airflow_bench, LOCAL, tmp_path_factory.mktemp("projects"))}
    if not missing_for_slurm():
        slurm: SlurmBench = request.getfixturevalue("slurm_bench")
        worlds["slurm"] = World(airflow_bench, SLURM, slurm.shared_dir / "projects", slurm)
        if not missing_for_login_node():
            worlds["ssh"] = World(airflow_bench, SSH, slurm.shared_dir / "by-ssh", slurm)
    return worlds


@pytest.fixture(scope="module")
def outcomes(worlds: dict[str, World], request: pytest.FixtureRequest) -> Iterator[dict[str, Future[None]]]:
    """The chosen scenarios, started together: most of their time is Airflow's waiting."""
    chosen = {
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "case" in item.callspec.params
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {
            name: pool.submit(told, scenario, worlds[engine].for_one())
            for name, (engine, scenario) in CASES.items()
            if name in chosen and engine in worlds
        }


def told(scenario: Scenario, world: World) -> None:
    """The scenario; its failure has all that is to be seen with it."""
    try:
        scenario(world)
    except Exception as error:
        error.add_note(world.evidence())
        raise


def test_a_mapped_task_runs_and_is_cleared_alone(airflow_bench: AirflowBench) -> None:
    """Trigger, wait, states, XCom, log and clear are what every scenario is made of."""
    client = airflow_bench.client
    airflow_bench.wait_for_dags("bench_probe")
    run = client.trigger("bench_probe")
    assert client.wait_for_run("bench_probe", run) == "success"
    assert client.states("bench_probe", run) == {f"double[{index}]": "success" for index in range(3)}
    assert client.xcom("bench_probe", run, "double", map_index=2) == 6
    assert "Returned value was: 6" in client.log("bench_probe", run, "double", map_index=2)
    client.clear("bench_probe", run, [["double", 1]])
    again = client.wait_for_task("bench_probe", run, "double", {"success"}, map_index=1, try_number=2)
    assert again["try_number"] == 2
    assert client.task("bench_probe", run, "double", 0)["try_number"] == 1


@pytest.mark.parametrize("case", list(CASES))
def test_scenario(case: str, outcomes: dict[str, Future[None]]) -> None:
    """See the scenario's own words."""
    if case not in outcomes:
        pytest.skip("a private Slurm cluster or a login node cannot run here")
    outcomes[case].result(_PATIENCE_S)


@pytest.mark.skipif(browser_program() is None, reason="a browser is missing")
def test_a_browser_shows_the_names_of_mapped_jobs_and_the_link_to_a_job(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    """Airflow has the names and the links in its API; this is what a person gets to see of them."""
    world = worlds["local"]
    run = world.start("named_rows", world.project("seen"), {"rows": 2})
    assert run.end() == "success"
    place = f"{world.client.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/job/mapped"
    shown = words(page(place, tmp_path / "profile"))
    assert "trial-00" in shown
    assert "trial-01" in shown
    wanted = world.client.links(run.dag_id, run.run_id, "job", 1)
    details = page(f"{place}/1/details", tmp_path / "profile")
    for name, target in wanted.items():
        if target:
            assert name in words(details)
            assert target in links(details)
    assert any(wanted.values())
