"""A client killed at any step leaves what the next command resolves to exactly one job, or to none when it never got that far."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from compose_core.errors import HpccError, SubmissionUnresolved
from compose_core.records.job_record import JobRecord
from tests.core.submission.world import World

_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.symlink", "os.truncate"}
_MOST_POINTS = 120
_REACHED = 7
_BROKEN = 9


def reached(point: int, happening: Callable[[str], None], action: Callable[[], object]) -> bool:
    """True when a child that runs the action came to this change on disk, where the happening took place.

    The child may be killed, may succeed, or may end with an error of ours; anything else fails the test.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY)
            if event in _CHANGES or opens:
                seen += 1
                if seen == point:
                    happening(str(arguments[0]))

        status = _BROKEN
        try:
            sys.addaudithook(hook)
            action()
            status = 0
        except HpccError:
            status = 0
        finally:
            os._exit(_REACHED if seen >= point and status == 0 else status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, _REACHED, -signal.SIGKILL}
    return status != 0


def killed(_path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full(path: str) -> None:
    if "/scheduler/" not in path:  # the scheduler has a disk of its own
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def each_point(
    tmp_path: Path,
    prepare: Callable[[World], None],
    action: Callable[[World], object],
    happening: Callable[[str], None] = killed,
) -> list[World]:
    """The worlds that are left when something happens at the first, second, … change; in the last one nothing did."""
    worlds = []
    for point in range(1, _MOST_POINTS):
        world = World(tmp_path / str(point))
        prepare(world)
        was_reached = reached(point, happening, partial(action, world))
        worlds.append(world)
        if not was_reached:
            return worlds
    raise AssertionError("the action has more steps than expected")


@pytest.mark.parametrize("answer", ["accept", "lose", "drop", "unreachable_but_accepted"])
@pytest.mark.parametrize("run_key", [None, "k"])
def test_a_killed_submission_becomes_at_most_one_job_and_is_known(
    tmp_path: Path, answer: str, run_key: str | None
) -> None:
    """Without another `up`: what the scheduler took is recorded, what it did not take is closed or waits for its key."""

    def prepare(world: World) -> None:
        world.engine.script = [answer]

    worlds = each_point(tmp_path, prepare, lambda world: world.up(run_key=run_key))
    assert len(worlds) > 15
    for point, world in enumerate(worlds, 1):
        world.settle()
        executed = world.engine.run_jobs(world.project)
        world.settle()
        assert len(executed) <= 1, point
        known = {record.job_id for record in world.records()}
        assert set(executed) <= known, point
        if len(world.engine.jobs()) == 1:
            assert executed == list(world.engine.jobs()), point
        if executed:
            latest = JobRecord.read(world.project.latest)
            assert latest is not None
            assert latest.job_id == executed[0], point
            assert world.open_marks() == [], point


@pytest.mark.parametrize("answer", ["accept", "lose", "drop", "unreachable_but_accepted"])
def test_up_again_with_the_run_key_gives_exactly_one_job(tmp_path: Path, answer: str) -> None:
    """What an orchestrator does when its worker died."""

    def prepare(world: World) -> None:
        world.engine.script = [answer]

    worlds = each_point(tmp_path, prepare, lambda world: world.up(run_key="k"))
    for point, world in enumerate(worlds, 1):
        submission = world.up(run_key="k")
        executed = world.engine.run_jobs(world.project)
        assert executed == [submission.job_id], point
        assert world.up(run_key="k").job_id == submission.job_id, point
        assert world.engine.run_jobs(world.project) == [], point


@pytest.mark.parametrize("answer", ["accept", "lose", "drop"])
def test_a_full_disk_at_any_step_loses_no_job_and_makes_none_twice(tmp_path: Path, answer: str) -> None:
    """The command ends well or with an error of ours; `up` again with the key comes to one job."""

    def prepare(world: World) -> None:
        world.engine.script = [answer]

    worlds = each_point(tmp_path, prepare, lambda world: world.up(run_key="k"), disk_full)
    assert len(worlds) > 15
    for point, world in enumerate(worlds, 1):
        submission = world.up(run_key="k")
        assert world.engine.run_jobs(world.project) == [submission.job_id], point
        world.settle()
        assert submission.job_id in {record.job_id for record in world.records()}, point
        assert world.open_marks() == [], point


@pytest.mark.parametrize("answer", ["accept", "drop"])
def test_a_killed_resolution_is_finished_by_the_next(tmp_path: Path, answer: str) -> None:
    """The second command dies too."""

    def prepare(world: World) -> None:
        world.engine.script = ["lose" if answer == "accept" else "drop"]
        world.engine.is_silent = True
        with pytest.raises(SubmissionUnresolved):
            world.up(dead=True)
        world.engine.is_silent = False

    worlds = each_point(tmp_path, prepare, lambda world: world.settle())
    for point, world in enumerate(worlds, 1):
        world.settle()
        executed = world.engine.run_jobs(world.project)
        assert executed == (["1"] if answer == "accept" else []), point
        assert [record.job_id for record in world.records()] == executed, point
        assert world.open_marks() == [], point
        world.engine.take(world.tokens()[0])  # the scheduler wakes up late
        assert world.engine.run_jobs(world.project) == [], point


def test_a_killed_client_and_a_reused_id_lose_no_record(tmp_path: Path) -> None:
    """The earlier record is moved away step by step; a kill in between loses neither."""
    earlier: dict[Path, str] = {}

    def prepare(world: World) -> None:
        earlier[world.root] = world.up().token
        world.engine.forget("1")

    worlds = each_point(tmp_path, prepare, lambda world: world.up(run_key="k"))
    for point, world in enumerate(worlds, 1):
        submission = world.up(run_key="k")
        tokens = {record.submission_token for record in world.records()}
        assert tokens == {submission.token, earlier[world.root]}, point
