"""The container bench as fixtures; its tests are `slurm` tests, because the same session brings its programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.bench import ContainerBench, missing_programs
from tests.slurm.conftest import nothing_left_running, shared_tmp, skip_or_fail_without, slurm_bench  # noqa: F401  (fixtures)

_HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerBench]:
    """A registry and the container programs."""
    skip_or_fail_without(missing_programs())
    bench = ContainerBench(tmp_path_factory.mktemp("containers"))
    bench.up()
    yield bench
    bench.down()
