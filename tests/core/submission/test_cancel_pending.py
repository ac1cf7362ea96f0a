"""Cancelling what the scheduler has not confirmed."""

from __future__ import annotations

import pytest

from compose_core.errors import NoSuchJob, SchedulerRefused, SubmissionUnresolved
from compose_core.submission.cancel_pending import cancel_pending
from tests.core.submission.world import World


def unresolved(world: World, answer: str) -> str:
    world.engine.script, world.engine.is_silent = [answer], True
    with pytest.raises(SubmissionUnresolved):
        world.up()
    return world.tokens()[0]


def test_a_job_that_the_scheduler_has_is_cancelled(world: World) -> None:
    """It is found by its token first."""
    token = unresolved(world, "lose")
    world.engine.is_silent = False
    assert cancel_pending(world.context(), token).job_id == "1"
    assert world.engine.jobs()["1"]["state"] == "CANCELLED"


def test_a_job_that_starts_before_anybody_finds_it_ends_at_once(world: World) -> None:
    """The request is on disk although the scheduler does not answer."""
    token = unresolved(world, "lose")
    assert cancel_pending(world.context(), token).status == "unanswered"
    assert world.engine.run_jobs(world.project) == []


def test_a_submission_that_was_never_taken_is_closed_as_cancelled(world: World) -> None:
    """Nobody hands it over again."""
    token = unresolved(world, "drop")
    world.engine.is_silent = False
    cancel_pending(world.context(), token)
    world.settle()
    outcome = world.outcome(token)
    assert outcome is not None
    assert outcome.outcome == "cancelled"


def test_a_cancelled_submission_is_not_handed_over_again(world: World) -> None:
    """The request came while the client searched."""
    world.engine.script = ["drop"]
    sleep = world.clock.sleep

    def cancel_meanwhile(seconds: float) -> None:
        sleep(seconds)
        from compose_core.records.cancel_mark import request_cancel

        request_cancel(world.context().project.submission(world.tokens()[0]))

    world.clock.sleep = cancel_meanwhile
    with pytest.raises(SchedulerRefused, match="cancelled"):
        world.up()
    assert len(world.engine.requests) == 1


def test_an_unknown_token_is_no_submission(world: World) -> None:
    """Nothing is written for it."""
    with pytest.raises(NoSuchJob):
        cancel_pending(world.context(), "0" * 26)
    assert world.tokens() == []
