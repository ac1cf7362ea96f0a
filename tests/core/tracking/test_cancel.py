"""The end of a job on request."""

from __future__ import annotations

import pytest

from compose_core.cluster.engine import CancelAnswer
from compose_core.errors import SchedulerUnreachable
from compose_core.job_state import JobState
from compose_core.tracking.cancel import cancel_job
from tests.core.tracking.world import TOKEN, World, row


def test_a_running_job_is_asked_to_end_and_that_is_confirmed(world: World) -> None:
    """The id is checked to belong to the token."""
    world.engine.rows = [row("RUNNING")]
    sleep = world.clock.sleep

    def end_while_waiting(seconds: float) -> None:
        sleep(seconds)
        world.write_state("CANCELLED")
        world.engine.rows = []

    world.clock.sleep = end_while_waiting  # type: ignore[method-assign]
    result = cancel_job(world.record, world.engine, world.clock)
    assert world.engine.cancelled == [("7", TOKEN, False)]
    assert (result.requested, result.confirmed, result.state) == (True, True, JobState.CANCELLED)


def test_the_evidence_stays(world: World) -> None:
    """Cancelling removes nothing."""
    world.write_state()
    world.engine.rows = [row("CANCELLED")]
    before = sorted(world.root.rglob("*"))
    cancel_job(world.record, world.engine, world.clock, wait_s=0)
    assert set(before) <= set(world.root.rglob("*"))


def test_an_ended_job_is_not_asked(world: World) -> None:
    """It says how the job had ended."""
    world.write_state("COMPLETED")
    result = cancel_job(world.record, world.engine, world.clock)
    assert (result.requested, result.confirmed, result.state) == (False, True, JobState.COMPLETED)
    assert world.engine.cancelled == []
    assert "already" in result.message


def test_a_job_that_does_not_end_in_time_is_told(world: World) -> None:
    """Requested is not confirmed."""
    world.engine.rows = [row("COMPLETING")]
    started = world.clock.now()
    result = cancel_job(world.record, world.engine, world.clock, wait_s=30, force=True)
    assert (result.requested, result.confirmed) == (True, False)
    assert 30 <= world.clock.now() - started < 31
    assert world.engine.cancelled == [("7", TOKEN, True)]
    assert world.engine.counter.calls["squeue"] < 15


def test_a_silent_scheduler_is_exit_code_4(world: World) -> None:
    """Nothing is known to have changed."""
    world.engine.cancel_answer = CancelAnswer(requested=False, reachable=False, message="no contact")
    world.engine.rows = [row("RUNNING")]
    with pytest.raises(SchedulerUnreachable, match="no contact") as caught:
        cancel_job(world.record, world.engine, world.clock)
    assert caught.value.exit_code == 4


def test_an_id_that_belongs_to_another_job_is_left_alone(world: World) -> None:
    """The scheduler's answer is passed on."""
    world.engine.cancel_answer = CancelAnswer(requested=False, message="job 7 is another job now")
    result = cancel_job(world.record, world.engine, world.clock, wait_s=0)
    assert (result.requested, result.confirmed) == (False, False)
    assert "another job" in result.message
    assert result.as_json()["requested"] is False
