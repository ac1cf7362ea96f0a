"""The private Slurm cluster as fixtures: one per session (and worker), skipped by name where it cannot run."""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.slurm.bench import SlurmBench, missing_requirements

_HERE = Path(__file__).resolve().parent
_REQUIRED = "HPCC_TEST_SLURM"
"""`HPCC_TEST_SLURM=required` in the environment turns the skip into a failure: a CI that means to test Slurm, does."""

_running: dict[bool, tuple[SlurmBench, int]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is a `slurm` test."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def slurm_programs() -> None:
    """For tests that start a bench of their own: they are skipped where none can run."""
    skip_or_fail_without(missing_requirements())


@pytest.fixture(scope="session")
def slurm_bench() -> Iterator[SlurmBench]:
    """A running cluster with accounting; cancel what you leave running."""
    with _bench(accounting=True) as bench:
        yield bench


@pytest.fixture(scope="session")
def slurm_bench_without_accounting() -> Iterator[SlurmBench]:
    """A running cluster that keeps no accounts."""
    with _bench(accounting=False) as bench:
        yield bench


@pytest.fixture(scope="module", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """The jobs that a file of tests leaves take the nodes from nobody: files may run in any order, or side by side."""
    yield
    for bench, _ in _running.values():
        if not _is_idle(bench):
            bench.run(["scancel", "--user", getpass.getuser()])
            bench.wait_for(partial(_is_idle, bench), timeout=60, what="the end of what a test left running")


@pytest.fixture
def shared_tmp(slurm_bench: SlurmBench, request: pytest.FixtureRequest) -> Path:
    """An empty folder that the test and all nodes of `slurm_bench` see as the same (`tmp_path` is not: nodes have their own /tmp)."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", request.node.name)[:40]
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=slurm_bench.shared_dir))


def _is_idle(bench: SlurmBench) -> bool:
    return not bench.run(["squeue", "--noheader"]).stdout


@contextmanager
def _bench(*, accounting: bool) -> Iterator[SlurmBench]:
    """The one bench of this kind, shared by all folders of tests that ask for it, stopped with the last of them."""
    skip_or_fail_without(missing_requirements(accounting=accounting))
    bench, users = _running.get(accounting) or (SlurmBench(accounting=accounting).start(), 0)
    _running[accounting] = (bench, users + 1)
    try:
        yield bench
    finally:
        bench, users = _running.pop(accounting)
        if users > 1:
            _running[accounting] = (bench, users - 1)
        else:
            bench.stop()


def skip_or_fail_without(missing: list[str]) -> None:
    """Skip the test that asks, or fail it where the bench is required."""
    if not missing:
        return
    reason = f"a private Slurm cluster needs: {', '.join(missing)}"
    if os.environ.get(_REQUIRED) == "required":
        pytest.fail(reason)
    pytest.skip(reason)
