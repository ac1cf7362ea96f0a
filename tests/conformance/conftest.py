"""Every test here runs on the fake cluster and, where one can be started, on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.conformance.worlds import FakeWorld, RealWorld, Tools, World
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import *  # noqa: F403  (the fixtures of the bench)

_BOTH = ["fake", pytest.param("real", marks=pytest.mark.slurm)]


@pytest.fixture(params=_BOTH)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A cluster with accounting."""
    if request.param == "fake":
        return FakeWorld(FakeCluster(first_job_id=1001), tmp_path)
    return RealWorld(request.getfixturevalue("slurm_bench"), request.getfixturevalue("shared_tmp"))


@pytest.fixture
def tools(world: World) -> Tools:
    """The tools of a cluster with accounting."""
    return Tools(world)


@pytest.fixture(params=_BOTH)
def bare_world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A cluster without accounting."""
    if request.param == "fake":
        return FakeWorld(FakeCluster(first_job_id=1001, accounting="disabled"), tmp_path)
    bench: SlurmBench = request.getfixturevalue("slurm_bench_without_accounting")
    return RealWorld(bench, bench.shared_dir)


@pytest.fixture(params=_BOTH)
def frail_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A cluster of its own whose daemons a test may stop; its tools wait only three seconds."""
    if request.param == "fake":
        yield FakeWorld(FakeCluster(first_job_id=1001), tmp_path)
        return
    request.getfixturevalue("slurm_bench")  # skips with the reason where there can be none
    with SlurmBench(nodes=2, message_timeout_s=3) as bench:
        yield RealWorld(bench, bench.shared_dir)
