"""Several clients at once: one job runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from compose_core.submission.context import Patience
from tests.core.submission.world import QuickClock, World

_ROUNDS = 12


def side_by_side(actions: Sequence[Callable[[], object]]) -> list[int]:
    """Exit statuses of one child per action, all let go at the same moment."""
    gate, opener = os.pipe()
    children = []
    for action in actions:
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)
            status = 1
            try:
                action()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(gate)
    time.sleep(0.02)
    os.close(opener)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def world_at(path: Path, *script: str) -> World:
    world = World(path, clock=QuickClock(), patience=Patience(poll_s=0.5))
    world.engine.script = list(script)
    world.engine.slow_s = 0.02
    return world


def up_and_tell(world: World, name: str) -> None:
    (world.root / name).write_text(world.up(run_key="k").job_id)


@pytest.mark.parametrize("script", [(), ("lose",), ("drop",)])
def test_clients_with_one_run_key_end_with_one_job(tmp_path: Path, script: tuple[str, ...]) -> None:
    """All of them know the same job."""
    for number in range(_ROUNDS if not script else 3):
        world = world_at(tmp_path / str(number), *script)

        assert side_by_side([partial(up_and_tell, world, name) for name in "abc"]) == [0, 0, 0]
        known = {(world.root / name).read_text() for name in "abc"}
        assert len(known) == 1
        assert world.engine.run_jobs(world.project) == sorted(known)
        assert [record.job_id for record in world.records()] == sorted(known)


def test_a_client_that_lost_the_race_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its folder and its mark are gone."""
    for number in range(_ROUNDS):
        world = world_at(tmp_path / str(number))
        side_by_side([partial(world.up, run_key="k"), partial(world.up, run_key="k")])
        assert len(world.tokens()) == 1
        assert world.open_marks() == []


def test_clients_without_a_key_each_have_their_job(tmp_path: Path) -> None:
    """They mean different jobs, and none hinders another."""
    for number in range(_ROUNDS):
        world = world_at(tmp_path / str(number))
        assert side_by_side([world.up, world.up, world.up]) == [0, 0, 0]
        assert len(world.engine.run_jobs(world.project)) == 3
        assert len(world.records()) == 3


def test_resolving_beside_a_submission_does_not_disturb_it(tmp_path: Path) -> None:
    """Status commands run all the time."""
    for number in range(_ROUNDS):
        world = world_at(tmp_path / str(number))
        assert side_by_side([world.up, world.resolve, world.resolve]) == [0, 0, 0]
        assert world.engine.run_jobs(world.project) == ["1"]
        assert len(world.records()) == 1
