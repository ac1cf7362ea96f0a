"""The same jobs on both engines: embedded, and a real Slurm cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs.project import EngineName, Project
from tests.slurm.conftest import *  # noqa: F403  (the fixtures of the bench)

MakeProject = Callable[[], Project]


@pytest.fixture(params=["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def engine(request: pytest.FixtureRequest) -> EngineName:
    """Every test that asks for a project runs on each engine."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def project(engine: EngineName, request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """An empty project folder on the engine."""
    if engine == "local":
        return Project(tmp_path / "project", "local")
    bench = request.getfixturevalue("slurm_bench")
    folder: Path = request.getfixturevalue("shared_tmp")
    return Project(folder / "project", "slurm", bench.environment)
