"""`jobs --watch` looks at exactly the jobs that are listed."""

from __future__ import annotations

from pathlib import Path

from compose_core.cli.jobs_watch import PollerLook
from compose_core.tracking.poller import Poller
from tests.core.tracking.world import OTHER_TOKEN, World, row


def test_each_look_is_at_the_jobs_that_are_asked_for_in_their_order(tmp_path: Path) -> None:
    """Jobs come and go between two looks."""
    world = World(tmp_path)
    other = world.add("8", OTHER_TOKEN)
    world.engine.rows = [row("RUNNING"), row("PENDING", "8", token=OTHER_TOKEN)]
    look = PollerLook(Poller({"slurm": world.engine}, world.clock))
    assert [(one.job_id, str(one.state)) for one in look([world.record])] == [("7", "RUNNING")]
    found = look([other, world.record])
    assert [(one.job_id, str(one.state)) for one in found] == [("8", "PENDING"), ("7", "RUNNING")]
    assert [one.job_id for one in look([other])] == ["8"]
    assert [one.job_id for one in look([world.record])] == ["7"]
    assert look([]) == []


def test_many_looks_cost_few_questions(tmp_path: Path) -> None:
    """The poller's pace decides, not how often the list is made."""
    world = World(tmp_path)
    world.engine.rows = [row("RUNNING")]
    look = PollerLook(Poller({"slurm": world.engine}, world.clock))
    for _ in range(60):
        look([world.record])
        world.clock.time += 1
    assert world.engine.counter.calls["squeue"] < 15
