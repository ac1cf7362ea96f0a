"""Fixtures of the tests with images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.bench import missing_programs
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import skip_or_fail_without
from tests.snakemake.containers.images import PLACES, Images
from tests.snakemake.workflow import Workflow


@pytest.fixture(scope="module")
def images(slurm_bench: SlurmBench) -> Iterator[Images]:
    """Nodes have a /tmp of their own."""
    skip_or_fail_without(missing_programs())
    images = Images(Path(tempfile.mkdtemp(prefix="containers-", dir=slurm_bench.shared_dir)))
    images.up()
    try:
        yield images
    finally:
        images.bench.down()


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, images: Images, slurm_bench: SlurmBench, shared_tmp: Path
) -> Iterator[tuple[Workflow, str]]:
    """An empty workflow on the engine, and the container runtime."""
    engine, runtime = request.param
    given = (
        dict(slurm_bench.environment) if engine == "slurm" else {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    workflow = Workflow(shared_tmp / "work", engine, images.environment(given))
    yield workflow, runtime
    workflow.end()
