"""Attempts that a later one followed."""

from __future__ import annotations

import pytest

from compose_core.errors import UsageError
from compose_core.job_state import JobState
from compose_core.records.paths import JobPaths
from compose_core.tracking.earlier_attempt import attempts_known, earlier_attempt, is_newest
from tests.core.tracking.world import World


def attempt(world: World, number: int, status: str | None) -> None:
    """The folder of one attempt; without a status it left nothing."""
    paths = JobPaths(world.paths.job_dir, attempt=number)
    paths.folder.path.mkdir(parents=True)
    if status:
        world.write_state(status, paths=paths, attempt=number)


@pytest.fixture
def resumed(world: World) -> World:
    """Attempt 0 was preempted, 1 died without a word, 2 runs."""
    attempt(world, 0, "PREEMPTED")
    attempt(world, 1, "RUNNING")
    attempt(world, 2, "RUNNING")
    world.paths.state.path.symlink_to("attempts/2/state.json")
    return world


def test_an_earlier_attempt_is_over_and_tells_its_own_end(resumed: World) -> None:
    """Whether it could come back is settled: it did."""
    snapshot = earlier_attempt(resumed.record, 0, now=resumed.clock.now())
    assert (snapshot.state, snapshot.terminal, snapshot.attempt) == (JobState.PREEMPTED, True, 0)
    assert snapshot.stale is False
    assert "/attempts/0/logs/" in snapshot.services[0].log_path


def test_an_attempt_without_a_last_word_is_unknown_and_over(resumed: World) -> None:
    """Nobody tells how it ended."""
    snapshot = earlier_attempt(resumed.record, 1, now=resumed.clock.now())
    assert (snapshot.state, snapshot.last_known_state) == (JobState.UNKNOWN, JobState.RUNNING)
    assert snapshot.terminal
    assert "no last word" in snapshot.detail
    assert not any(service.alive for service in snapshot.services)


def test_the_newest_attempt_is_the_one_that_the_scheduler_speaks_of(resumed: World) -> None:
    """And those that are there are known."""
    assert attempts_known(resumed.record) == (0, 1, 2)
    assert is_newest(resumed.record, 2)
    assert not is_newest(resumed.record, 0)
    with pytest.raises(UsageError, match="no attempt 3"):
        is_newest(resumed.record, 3)
