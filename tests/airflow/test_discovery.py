"""The real Airflow finds the provider, and its operator fails with a message that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_airflow_lists_the_provider_with_its_version(airflow_home: Path) -> None:
    """`airflow providers list` is where an operator of Airflow looks first; the entry point's data must pass Airflow's own schema."""
    listed = python(airflow_home, "-m", "airflow", "providers", "list", "--output", "json")
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout[listed.stdout.index("[") :])
    ours = [row for row in rows if row["package_name"] == "airflow-provider-hpccompose"]
    assert [row["version"] for row in ours] == ["0.1.0"]


def test_describing_the_provider_does_not_import_airflow(airflow_home: Path) -> None:
    """Airflow asks for the description before its own configuration is ready, so an import of Airflow here would run in a circle."""
    program = (
        "import sys; from airflow_provider_hpccompose.get_provider_info import get_provider_info;"
        "get_provider_info(); print('airflow' in sys.modules, 'compose_core' in sys.modules)"
    )
    run = python(airflow_home, "-c", program)
    assert run.stdout.split() == ["False", "False"], run.stderr
