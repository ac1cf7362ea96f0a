"""A run key stands for one submission, whoever asks and however often."""

from __future__ import annotations

import pytest

from compose_core.errors import SchedulerRefused, SubmissionUnresolved
from compose_core.records.cancel_mark import request_cancel
from compose_core.submission.run_keys import take_key, token_of_key
from tests.core.submission.world import SCRIPT, World


def test_the_same_key_attaches(world: World) -> None:
    """A second `up` follows the first job."""
    first = world.up(run_key="dag/task/1")
    second = world.up(run_key="dag/task/1")
    assert (second.attached, second.job_id, second.token) == (True, first.job_id, first.token)
    assert len(world.engine.requests) == 1


def test_another_key_is_another_job(world: World) -> None:
    """Keys that look alike as file names stay apart."""
    ids = {world.up(run_key=key).job_id for key in ("a/b", "a_b", "A/B", "../a", "a" * 5000, "ü\n")}
    assert len(ids) == 6


def test_attaching_with_another_script_is_told(world: World) -> None:
    """The job runs what was submitted first."""
    world.up(run_key="k")
    world.up(run_key="k", script=SCRIPT + "false\n")
    assert "another script" in world.told("warning")[0]


def test_a_refused_key_is_free_again(world: World) -> None:
    """The compose file was corrected: the same key submits, and stands for the new job from then on."""
    world.engine.script = ["refuse", "limit"]
    for _ in range(2):
        with pytest.raises(SchedulerRefused):
            world.up(run_key="k")
    submission = world.up(run_key="k", script=SCRIPT + "true\n")
    assert not submission.attached
    assert world.up(run_key="k").job_id == submission.job_id


def test_a_key_in_doubt_is_resolved_first(world: World) -> None:
    """The first client left without knowing; the second finds its job."""
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved):
        world.up(run_key="k")
    world.engine.is_silent = False
    submission = world.up(run_key="k")
    assert (submission.attached, submission.job_id) == (True, "1")
    assert len(world.engine.requests) == 1


def test_a_key_whose_job_was_never_taken_submits_with_its_token(world: World) -> None:
    """Not before absence is proven, and never with a second token."""
    world.engine.script, world.engine.is_silent = ["drop"], True
    with pytest.raises(SubmissionUnresolved):
        world.up(run_key="k")
    world.engine.is_silent = False
    submission = world.up(run_key="k")
    assert [request.token for request in world.engine.requests] == [submission.token] * 2
    assert world.engine.run_jobs(world.project) == [submission.job_id]


def test_a_key_of_a_dead_client_is_taken_over(world: World) -> None:
    """It died before the hand-over: its token is closed, the key goes on with a new one."""
    world.engine.script = ["missing"]
    context = world.context(dead=True)
    from compose_core.submission.submit import _write_intent

    intent = _write_intent(context, world.plan(), SCRIPT, run_key="k", extra_args=())
    assert take_key(context, "k", intent.token, after=None)
    world.engine.script = []
    submission = world.up(run_key="k")
    assert submission.token != intent.token
    outcome = world.outcome(intent.token)
    assert outcome is not None
    assert outcome.outcome == "abandoned"
    assert world.engine.run_jobs(world.project) == [submission.job_id]


def test_a_cancelled_submission_frees_its_key(world: World) -> None:
    """It was cancelled before the scheduler had it; asking again means a new job."""
    world.engine.script, world.engine.is_silent = ["drop"], True
    with pytest.raises(SubmissionUnresolved):
        world.up(run_key="k")
    world.engine.is_silent = False
    request_cancel(world.context().project.submission(world.tokens()[0]))
    world.settle()
    submission = world.up(run_key="k")
    assert submission.token != world.tokens()[0]


def test_of_two_takers_one_wins(world: World) -> None:
    """Also when they follow the same submission that came to nothing."""
    world.engine.script = ["refuse"]
    with pytest.raises(SchedulerRefused):
        world.up(run_key="k")
    context = world.context()
    token, after = token_of_key(context, "k")
    assert token is None
    assert after == world.tokens()[0]
    first, second = "0" * 26, "1" * 26
    assert take_key(context, "k", first, after=after)
    assert not take_key(context, "k", second, after=after)
    assert token_of_key(context, "k") == (first, after)
