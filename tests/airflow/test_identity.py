"""One job per try, whatever happened before: the resolver over a cluster in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.exceptions import HpcComposeStateUnknown, HpcComposeUnreachable
from airflow_provider_hpccompose.identity import OnClear, Resolved, Resolver, TaskIdentity, generation_of, parse_key
from compose_core import SchedulerUnreachable
from tests.airflow.fake_door import FakeDoor

pytestmark = pytest.mark.adapters

FIRST = TaskIdentity(instance_id="air", dag_id="d", run_id="r", task_id="t", try_number=1, generation=1)
RETRY = replace(FIRST, try_number=2)
CLEARED = replace(FIRST, try_number=2, generation=2)


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


def resolve(door: FakeDoor, identity: TaskIdentity, *, on_clear: OnClear = "cancel", durable: bool = True) -> Resolved:
    def submit(key: str, n: int) -> JobHandle:
        return door.submit(SubmitRequest(key=key, n=n, spec="services: {}"))

    return Resolver(door, identity, on_clear=on_clear, durable=durable).resolve(submit)


def jobs_run(door: FakeDoor) -> int:
    return sum(door.submissions.values())


def test_the_generation_stays_over_retries_and_moves_with_a_clear() -> None:
    """Airflow sets max_tries to retries at first, and to try_number + retries at a clear."""
    retries = 2
    assert generation_of(max_tries=2, retries=retries) == 1
    assert generation_of(max_tries=1 + retries, retries=retries) == 2
    assert generation_of(max_tries=4 + retries, retries=retries) == 5


def test_a_first_try_submits_under_a_key_of_its_own(door: FakeDoor) -> None:
    resolved = resolve(door, FIRST)
    assert resolved.how == "submitted"
    assert parse_key(resolved.handle.key) == (FIRST.job_key, 1, 1)
    others = [replace(FIRST, map_index=3), replace(FIRST, run_id="r2"), replace(FIRST, instance_id="other")]
    assert len({identity.job_key for identity in (FIRST, *others)}) == 4


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "COMPLETED"])
def test_a_retry_adopts_a_job_that_goes_on_or_ended_well(door: FakeDoor, state: str) -> None:
    """Airflow may fail a task whose job never noticed."""
    first = resolve(door, FIRST).handle
    door.set_state(first, state)
    again = resolve(door, RETRY)
    assert (again.handle.token, again.how) == (first.token, "adopted")
    assert jobs_run(door) == 1


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED"])
def test_a_retry_submits_anew_after_a_failed_job(door: FakeDoor, state: str) -> None:
    first = resolve(door, FIRST).handle
    door.set_state(first, state)
    again = resolve(door, RETRY)
    assert (again.how, again.handle.n) == ("submitted", 2)
    assert jobs_run(door) == 2


def test_a_retry_takes_on_no_job_that_a_killed_try_asked_to_end(door: FakeDoor) -> None:
    """A running task that is cleared is killed and tried again at once, in the same generation, while its job still ends."""
    first = resolve(door, FIRST).handle
    door.set_state(first, "RUNNING")
    door.reports[first.token] = replace(door.reports[first.token], end_is_requested=True)
    again = resolve(door, RETRY)
    assert (again.how, again.handle.n) == ("submitted", 2)
    assert door.cancelled == [first.job_id]


def test_a_worker_killed_between_submit_and_record_leaves_one_job(door: FakeDoor) -> None:
    """Nobody was told its id: the key finds it."""
    door.dies_after_submit = True
    with pytest.raises(SystemExit):
        resolve(door, FIRST)
    assert resolve(door, RETRY).how == "adopted"
    assert jobs_run(door) == 1


def test_a_clear_cancels_the_earlier_job_and_submits(door: FakeDoor) -> None:
    """Also when it ended well: the user wants it run again."""
    first = resolve(door, FIRST).handle
    door.set_state(first, "RUNNING")
    again = resolve(door, CLEARED)
    assert again.how == "submitted"
    assert door.cancelled == [first.job_id]
    door.set_state(again.handle, "COMPLETED")
    third = resolve(door, replace(FIRST, try_number=3, generation=3))
    assert third.how == "submitted"
    assert jobs_run(door) == 3
    assert door.cancelled == [first.job_id]


def test_a_clear_can_keep_or_adopt_the_earlier_job(door: FakeDoor) -> None:
    first = resolve(door, FIRST).handle
    door.set_state(first, "RUNNING")
    assert resolve(door, CLEARED, on_clear="adopt").handle.token == first.token
    assert resolve(door, CLEARED, on_clear="keep").how == "submitted"
    assert door.cancelled == []


@pytest.mark.parametrize("identity", [RETRY, CLEARED])
def test_nothing_is_submitted_while_the_scheduler_is_silent(door: FakeDoor, identity: TaskIdentity) -> None:
    resolve(door, FIRST)
    door.is_reachable = False
    with pytest.raises((HpcComposeUnreachable, SchedulerUnreachable)):
        resolve(door, identity)
    door.is_reachable = True
    assert jobs_run(door) == 1


def test_an_unreachable_answer_about_the_job_submits_nothing(door: FakeDoor) -> None:
    """The door answers, the scheduler behind it does not."""
    first = resolve(door, FIRST).handle
    door.set_state(first, "UNREACHABLE", verdict="unreachable")
    with pytest.raises(HpcComposeUnreachable):
        resolve(door, RETRY)
    door.set_state(first, "UNKNOWN", verdict="unknown", is_over=False)
    with pytest.raises(HpcComposeStateUnknown):
        resolve(door, RETRY)
    assert jobs_run(door) == 1


@pytest.mark.parametrize("generation", [-1, 0, 4])
def test_changed_retries_between_tries_are_no_clear(door: FakeDoor, generation: int) -> None:
    """`max_tries` is kept, `retries` is the DAG's: their difference moves, and no user cleared anything."""
    first = resolve(door, FIRST).handle
    door.set_state(first, "RUNNING")
    again = resolve(door, replace(RETRY, generation=generation))
    assert again.handle.token == first.token
    assert door.cancelled == []


def test_without_durability_every_try_submits(door: FakeDoor) -> None:
    resolve(door, FIRST)
    assert resolve(door, RETRY, durable=False).how == "submitted"
    assert jobs_run(door) == 2
