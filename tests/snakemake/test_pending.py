"""Why a job waits is said after ten minutes, once for each reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.snakemake.world import World, fan

pytestmark = pytest.mark.adapters


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An array of three on a cluster that starts nothing by itself."""
    monkeypatch.chdir(tmp_path)
    world = World(FakeCluster(auto_start=False), tmp_path)
    world.submit(*fan(3))
    world.said.clear()
    return world


def told(world: World) -> list[str]:
    return [text for text in world.said if text.startswith("Job ")]


def show(world: World, reason: str) -> None:
    for info in world.submitted:
        world.cluster.show_as(str(info.external_jobid), "PENDING", reason)


def test_the_reason_is_told_after_ten_minutes_and_when_it_changes(world: World) -> None:
    """Once for the whole array."""
    show(world, "Priority")
    world.look(after_s=60)
    world.look(after_s=500)
    assert told(world) == []
    world.look(after_s=61)
    world.look(after_s=600)
    [said] = told(world)
    assert "(fan) has been waiting for 10 minutes: Priority, which means that " in said
    show(world, "Resources")
    world.look(after_s=600)
    assert len(told(world)) == 2
    assert "Resources" in told(world)[1]


def test_a_job_that_cannot_start_is_told_at_once(world: World) -> None:
    """Held by an administrator, for example."""
    show(world, "JobHeldAdmin")
    world.look(after_s=60)
    [said] = told(world)
    assert "will not start by itself: JobHeldAdmin" in said


def test_jobs_that_run_are_not_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long they run."""
    monkeypatch.chdir(tmp_path)
    world = World(FakeCluster(), tmp_path)
    world.submit(*fan(3))
    for _ in range(4):
        world.look(after_s=600)
    assert told(world) == []
