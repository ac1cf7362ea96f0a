"""Which job a command means."""

from __future__ import annotations

import pytest

from compose_core.errors import NoSuchJob, UsageError
from compose_core.tracking.find_job import find_job
from compose_core.tracking.jobs import tracked_jobs
from tests.core.tracking.world import NOW, OTHER_TOKEN, World


def test_an_id_means_that_job(world: World) -> None:
    """Also when it is not the newest."""
    world.add("8", OTHER_TOKEN, submitted_at=NOW)
    assert find_job(world.project, "7").job_id == "7"


def test_without_an_id_the_latest_main_job_is_meant(world: World) -> None:
    """A trial of a sweep is not."""
    world.add("8", OTHER_TOKEN, submitted_at=NOW, kind="sweep_trial")
    assert find_job(world.project).job_id == "7"


@pytest.mark.parametrize("spoil", ["gone", "spoiled", "of a removed job"])
def test_a_wrong_pointer_is_not_followed(world: World, spoil: str) -> None:
    """The records themselves tell which is the newest."""
    world.add("8", OTHER_TOKEN, submitted_at=NOW)
    if spoil == "gone":
        world.project.latest.path.unlink()
    elif spoil == "spoiled":
        world.project.latest.path.write_text("{")
    else:
        world.project.job_record("8").path.unlink()
    assert find_job(world.project).job_id == ("7" if spoil == "of a removed job" else "8")


def test_an_unknown_id_names_the_known_ones(world: World) -> None:
    """So the next try is right."""
    with pytest.raises(NoSuchJob) as caught:
        find_job(world.project, "99")
    assert "7" in caught.value.remedy


@pytest.mark.parametrize("job_id", ["../7", "", "seven", "7 8"])
def test_a_text_that_is_no_id_is_a_usage_error(world: World, job_id: str) -> None:
    """It never becomes a path."""
    with pytest.raises(UsageError):
        find_job(world.project, job_id)


def test_an_empty_project_has_no_job(world: World) -> None:
    """And says how to get one."""
    world.project.latest.path.unlink()
    world.project.job_record("7").path.unlink()
    with pytest.raises(NoSuchJob) as caught:
        find_job(world.project)
    assert "hpcc up" in caught.value.remedy


def test_all_jobs_are_listed_newest_first(world: World) -> None:
    """One that cannot be read is named, and hides no other."""
    world.add("8", OTHER_TOKEN, submitted_at=NOW)
    (world.project.jobs.path / "9.json").write_text("{")
    (world.project.jobs.path / "notes.txt").write_text("{}")
    (world.project.jobs.path / "10.json").symlink_to("7.json")
    found = tracked_jobs(world.project)
    assert [record.job_id for record in found.records] == ["8", "7"]
    assert len(found.warnings) == 2


def test_a_task_that_an_array_does_not_have_is_told_with_those_that_it_has(world: World) -> None:
    """Instead of saying that the array is unknown."""
    world.add("30", OTHER_TOKEN, array={"spec": "0-3", "log_pattern": "slurm-30_%a.out"})
    assert find_job(world.project, "30_3").array_task_id == 3
    with pytest.raises(NoSuchJob, match="array 30 has no task 7") as refusal:
        find_job(world.project, "30_7")
    assert "0-3" in str(refusal.value.remedy)


def test_a_task_of_a_job_that_is_no_array_is_told_as_that(world: World) -> None:
    """The job itself is there."""
    with pytest.raises(NoSuchJob, match="job 7 is no array"):
        find_job(world.project, "7_1")
