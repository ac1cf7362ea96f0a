"""What is asked of the accounting when a run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.snakemake.world import World, fan

pytestmark = pytest.mark.adapters


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """Jobs are submitted from a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return FakeCluster(auto_start=False)


def asked(cluster: FakeCluster, folder: Path, *lengths_s: float, table: bool = False) -> int:
    """Calls of `sacct` by a run whose jobs took so long."""
    world = World(cluster, folder, efficiency_report=table, no_array=True)
    for placed, length_s in zip(world.submit(*fan(len(lengths_s))), lengths_s, strict=True):
        world.finish(placed, took_s=length_s)
    world.look()
    world.jobs.close()
    assert len(world.succeeded) == len(lengths_s)
    return world.calls_of("sacct")


def test_short_jobs_are_not_worth_a_question(cluster: FakeCluster, tmp_path: Path) -> None:
    """Slurm takes a sample of a job's memory every half minute: of a shorter one the runner knows more."""
    assert asked(cluster, tmp_path, 3, 29) == 0


def test_all_longer_jobs_are_one_question(cluster: FakeCluster, tmp_path: Path) -> None:
    """However many there are."""
    assert asked(cluster, tmp_path, 3, 31, 500) == 1


def test_a_table_that_the_user_wants_is_complete(cluster: FakeCluster, tmp_path: Path) -> None:
    """Short jobs, too."""
    assert asked(cluster, tmp_path, 3, table=True) == 1
