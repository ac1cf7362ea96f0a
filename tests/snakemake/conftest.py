"""What holds for every test beside Snakemake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.slurm.conftest import *  # noqa: F403  (the fixtures of the bench)
from tests.snakemake.workflow import Workflow

collect_ignore_glob = [] if find_spec("snakemake") else ["test_*.py", "containers", "runner"]
"""Beside no Snakemake there is nothing to import; `nox -s adapters` runs all of them."""

MakeWorkflow = Callable[[str], Workflow]


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's folder is the working directory, as the workflow's is Snakemake's."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster on which jobs run until the test ends them."""
    return FakeCluster()


@pytest.fixture
def local_workflow(tmp_path: Path) -> Iterator[Workflow]:
    """An empty workflow whose jobs run on this machine."""
    workflow = Workflow(tmp_path / "work", "local")
    yield workflow
    workflow.end()


@pytest.fixture
def slurm_workflow(request: pytest.FixtureRequest) -> Iterator[Workflow]:
    """An empty workflow whose jobs run on the private cluster."""
    bench = request.getfixturevalue("slurm_bench")
    folder: Path = request.getfixturevalue("shared_tmp")
    workflow = Workflow(folder / "work", "slurm", bench.environment)
    yield workflow
    workflow.end()


@pytest.fixture(params=["local", "slurm"])
def workflow(request: pytest.FixtureRequest) -> Workflow:
    """A test that asks for this runs on both engines."""
    made: Workflow = request.getfixturevalue(f"{request.param}_workflow")
    return made


@pytest.fixture(autouse=True)
def _without_our_apptainer() -> Iterator[None]:
    """Settings put a stand-in for apptainer on PATH, because Snakemake looks for one before there is an executor."""
    yield
    from snakemake_executor_plugin_hpccompose.containers import step_aside

    step_aside()
