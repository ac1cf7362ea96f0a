"""Many jobs by their keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.finding import find_known
from compose_core import SchedulerUnreachable, SubmissionUnresolved
from tests.airflow.fake_door import FakeDoor

pytestmark = pytest.mark.adapters


class DoubtfulDoor(FakeDoor):
    """Nobody knows what became of these submissions."""

    def __init__(self, *doubtful: str) -> None:
        super().__init__()
        self.doubtful = set(doubtful)

    def find(self, keys: Sequence[str]) -> dict[str, JobHandle]:
        if self.doubtful & set(keys):
            raise SubmissionUnresolved("the answer of sbatch was lost")
        return super().find(keys)


def test_a_submission_in_doubt_hides_no_other_job() -> None:
    """Else one broken submission would keep `reap` and watchers from all jobs of the workspace."""
    door = DoubtfulDoor("af-3", "af-40")
    keys = [f"af-{number}" for number in range(64)]
    for key in keys:
        door.submit(SubmitRequest(key=key))
    assert set(find_known(door, keys)) == set(keys) - {"af-3", "af-40"}
    assert door.calls.count("find") < 30


def test_where_nobody_can_say_anything_that_is_said() -> None:
    """No jobs and no answer are different things."""
    with pytest.raises(SubmissionUnresolved):
        find_known(DoubtfulDoor("af-1", "af-2"), ["af-1", "af-2"])
    door = FakeDoor()
    door.errors["find"] = SchedulerUnreachable("login node is away", code="ssh-unreachable")
    with pytest.raises(SchedulerUnreachable):
        find_known(door, ["af-1", "af-2", "af-3"])
    assert door.calls == ["find"]
    assert find_known(door, []) == {}
