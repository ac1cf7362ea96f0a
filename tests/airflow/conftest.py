"""One real Airflow for all tests that need one, beside a real Slurm where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.airflow.airflow_bench import AirflowBench, missing_requirements
from tests.slurm.bench import SlurmBench
from tests.slurm.bench import missing_requirements as missing_for_slurm
from tests.slurm.conftest import *  # noqa: F403  (the fixtures of the Slurm bench)

collect_ignore_glob = [] if find_spec("airflow") else ["test_*.py"]
"""Beside no Airflow there is nothing to import; `nox -s adapters` runs all of them."""
DAGS = Path(__file__).resolve().parent / "dags"
LOCAL = "hpcc_local"
SLURM = "hpcc_slurm"
"""The connections that every DAG of the bench may name: the engine without a scheduler, and the private cluster."""


@pytest.fixture(scope="session")
def airflow_programs() -> None:
    """For tests that start a bench of their own: they are skipped by name where none can run."""
    missing = missing_requirements()
    if missing:
        pytest.skip(f"a private Airflow needs: {', '.join(missing)}")


@pytest.fixture(scope="session")
def airflow_bench(airflow_programs: None, request: pytest.FixtureRequest) -> Iterator[AirflowBench]:
    """A running Airflow with the DAGs of `dags/`; its tasks reach the private Slurm cluster where there can be one."""
    environment = connection(LOCAL, engine="local")
    if not missing_for_slurm():
        slurm: SlurmBench = request.getfixturevalue("slurm_bench")
        environment |= {**slurm.environment, **connection(SLURM, engine="slurm")}
    with AirflowBench(environment=environment, dags=sorted(DAGS.glob("*.py"))) as bench:
        yield bench


def connection(name: str, **extra: object) -> dict[str, str]:
    """The environment variable that is an Airflow connection of our type."""
    value = {"conn_type": "hpccompose", "extra": {"transport": "local", **extra}}
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value)}
