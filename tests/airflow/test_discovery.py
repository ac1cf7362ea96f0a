"""The real Airflow finds the provider, and its operator fails with a message that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_hpccompose.connection_form import conn_fields

pytestmark = pytest.mark.adapters


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without configuration or database."""
    return tmp_path_factory.mktemp("airflow")


def python(airflow_home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter of the environment that holds Airflow."""
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        env={**os.environ, "AIRFLOW_HOME": str(airflow_home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_airflow_shows_the_provider_with_all_its_parts(airflow_home: Path) -> None:
    """`airflow providers get` is where an operator of Airflow looks first; the entry point's data must pass Airflow's own schema."""
    asked = ("providers", "get", "airflow-provider-hpccompose", "--full", "--output", "json")
    shown = python(airflow_home, "-m", "airflow", *asked)
    assert shown.returncode == 0, shown.stderr
    (ours,) = json.loads(shown.stdout[shown.stdout.index("[") :])
    assert ours["versions"] == ["0.1.0"]
    kinds = {
        "operators", "sensors", "hooks", "triggers", "connection-types", "extra-links", "task-decorators", "asset-uris", "cli", "config",
    }  # fmt: skip
    assert {name for name in kinds if not ours.get(name)} == set()
    (form,) = ours["connection-types"]
    assert set(form["conn-fields"]) == set(conn_fields())


def test_describing_the_provider_does_not_import_airflow(airflow_home: Path) -> None:
    """Airflow asks for the description before its own configuration is ready, so an import of Airflow here would run in a circle."""
    program = (
        "import sys; from airflow_provider_hpccompose.get_provider_info import get_provider_info;"
        "get_provider_info(); print('airflow' in sys.modules, 'compose_core' in sys.modules)"
    )
    run = python(airflow_home, "-c", program)
    assert run.stdout.split() == ["False", "False"], run.stderr
