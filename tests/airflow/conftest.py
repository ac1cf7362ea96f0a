"""One real Airflow for all tests that need one, beside a real Slurm where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.airflow.airflow_bench import AirflowBench, missing_requirements
from tests.airflow.connections import LOCAL, SLURM, connection, ssh_connections
from tests.airflow.dag_tests import DagTests
from tests.airflow.sshd_bench import login_node
from tests.airflow.sshd_bench import missing_programs as missing_for_login_node
from tests.slurm.bench import SlurmBench
from tests.slurm.bench import missing_requirements as missing_for_slurm
from tests.slurm.conftest import shared_tmp, slurm_bench, slurm_programs  # noqa: F401  (fixtures)

pytest.register_assert_rewrite("tests.airflow.scenarios")  # their assertions are to show what they saw

collect_ignore_glob = [] if find_spec("airflow") else ["test_*.py"]
"""Beside no Airflow there is nothing to import; `nox -s adapters` runs all of them."""
DAGS = Path(__file__).resolve().parent / "dags"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for the bench needs a whole Airflow."""
    for item in items:
        if {"airflow_bench", "airflow_programs"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.whole_airflow)


@pytest.fixture(scope="session")
def airflow_programs() -> None:
    """For tests that start a bench of their own: they are skipped by name where none can run."""
    missing = missing_requirements()
    if missing:
        pytest.skip(f"a private Airflow needs: {', '.join(missing)}")


@pytest.fixture(scope="session")
def airflow_bench(
    airflow_programs: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowBench]:
    """A running Airflow with the DAGs of `dags/`; its tasks reach the private Slurm cluster where there can be one."""
    environment = connection(LOCAL, engine="local", workspace=str(tmp_path_factory.mktemp("workspace")))
    with ExitStack() as stack:
        if not missing_for_slurm():
            slurm: SlurmBench = request.getfixturevalue("slurm_bench")
            environment |= slurm.environment
            environment |= connection(SLURM, engine="slurm", workspace=str(slurm.shared_dir / "workspace"))
            if not missing_for_login_node():
                node = stack.enter_context(login_node(tmp_path_factory.mktemp("login"), slurm.environment))
                environment |= ssh_connections(node, slurm.shared_dir / "login-workspace")
        yield stack.enter_context(AirflowBench(environment=environment, dags=sorted(DAGS.glob("*.py"))))


@pytest.fixture(scope="session")
def dag_tests(tmp_path_factory: pytest.TempPathFactory) -> DagTests:
    """A home for `dag.test()`: a database and the embedded engine, no server."""
    return DagTests(tmp_path_factory.mktemp("dag-tests") / "home")
