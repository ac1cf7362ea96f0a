"""The job that a command means, after what hangs in the air is settled."""

from __future__ import annotations

import pytest

from compose_core.errors import NoSuchJob, SubmissionUnresolved
from compose_core.submission.current_job import current_job
from tests.core.submission.world import World


def test_the_newest_job_is_meant(world: World) -> None:
    """Without an id."""
    world.up()
    world.clock.sleep(1)
    newest = world.up()
    record, pending = current_job(world.context())
    assert (record.job_id, pending) == (newest.job_id, ())


def test_a_job_found_just_now_is_meant(world: World) -> None:
    """It was in doubt until this command."""
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved):
        world.up()
    world.engine.is_silent = False
    record, (resolution,) = current_job(world.context())
    assert record.job_id == resolution.job_id == "1"


def test_a_newer_submission_in_doubt_is_not_passed_over(world: World) -> None:
    """An older job is not what the user means; by its id it still is."""
    world.up()
    world.clock.sleep(1)
    world.engine.script, world.engine.is_silent = ["lose"], True
    with pytest.raises(SubmissionUnresolved):
        world.up()
    with pytest.raises(SubmissionUnresolved) as caught:
        current_job(world.context())
    assert caught.value.exit_code == 4
    assert current_job(world.context(), "1")[0].job_id == "1"


def test_an_empty_project_has_no_job(world: World) -> None:
    """And says how to get one."""
    with pytest.raises(NoSuchJob) as caught:
        current_job(world.context())
    assert "hpcc up" in caught.value.remedy
