"""Sensors: what they wait for, poking and deferred, and how they end when it does not come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from airflow_provider_hpccompose.exceptions import (
    HpcComposeError,
    HpcComposeFinalError,
    HpcComposeJobFailed,
    HpcComposeUnreachable,
)
from airflow_provider_hpccompose.sensors import hpccompose as module
from airflow_provider_hpccompose.sensors.hpccompose import (
    HpcComposeServiceReadySensor,
    HpcComposeStateSensor,
    HpcComposeSweepSensor,
)
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport
from compose_core import SchedulerUnreachable
from compose_core.testing import FakeClock
from tests.airflow.virtual_time import ScriptedDoor, handle, report

pytestmark = pytest.mark.adapters

WEB = {"state": "ready", "ready": True, "host": "node7", "ports": {"http": 8080}}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> ScriptedDoor:
    """The cluster behind every connection."""
    door = ScriptedDoor()
    monkeypatch.setattr(module, "open_door", lambda conn_id: door)
    return door


def state_sensor(**arguments: Any) -> HpcComposeStateSensor:
    """One that waits for job 41."""
    return HpcComposeStateSensor(task_id="wait", job_ref=handle().as_json(), **arguments)


def event(status: str = "done", **fields: Any) -> dict[str, Any]:
    """What the trigger fires for job 41."""
    snapshot = report(**fields).as_json() if fields else None
    return {"v": 1, "status": status, "job_ref": handle().as_json(), "snapshot": snapshot, "log_offsets": {}}


def test_a_job_that_is_in_the_state_already_needs_no_deferral(door: ScriptedDoor) -> None:
    """A look costs less than a trigger."""
    door.answer = lambda job: report(job, "COMPLETED")
    assert state_sensor(deferrable=True).execute({})["state"] == "COMPLETED"


def test_a_deferred_sensor_leaves_the_job_alone(door: ScriptedDoor) -> None:
    """It does not own the job: neither its end nor its kill cancels anything, and its log is not the job's."""
    with pytest.raises(TaskDeferred) as deferred:
        state_sensor(deferrable=True, timeout=600).execute({})
    trigger = deferred.value.trigger
    assert (trigger.on_kill_action, trigger.log_services, trigger.wait_for) == ("keep", [], "states:COMPLETED")
    assert trigger.hpccompose_conn_id == "hpc"  # the handle's own
    assert deferred.value.timeout.total_seconds() == 1200.0


def test_without_deferral_it_pokes(door: ScriptedDoor) -> None:
    """For an Airflow without triggerer; a look that nobody answers is repeated."""
    states = iter(["PENDING", "UNREACHABLE", "COMPLETED"])
    door.answer = lambda job: report(job, next(states))
    found = state_sensor(deferrable=False, poke_interval=0.01, timeout=30).execute({})
    assert found["state"] == "COMPLETED"
    assert door.looks == [1, 1, 1]


def test_a_job_that_ended_otherwise_fails_the_sensor_at_once(door: ScriptedDoor) -> None:
    """It would wait for ever."""
    door.answer = lambda job: report(job, "FAILED", exit_code=3)
    with pytest.raises(HpcComposeJobFailed, match="exit code 3"):
        state_sensor(deferrable=True).execute({})
    with pytest.raises(HpcComposeFinalError, match="ended as COMPLETED and will not be SUSPENDED"):
        state_sensor(target_states=["suspended"]).execute_complete({}, event(state="COMPLETED"))


def test_running_counts_for_a_job_that_has_run_already(door: ScriptedDoor) -> None:
    """A short job may run between two looks."""
    ran = event(state="COMPLETED", times={"started": 5.0})
    assert state_sensor(target_states=["RUNNING"]).execute_complete({}, ran)["state"] == "COMPLETED"


def test_its_own_timeout_is_airflows_and_an_outage_is_retryable() -> None:
    """Airflow never retries a sensor's timeout; a cluster that is down is worth another try."""
    with pytest.raises(AirflowSensorTimeout):
        state_sensor().execute_complete({}, event("timeout", state="RUNNING"))
    with pytest.raises(HpcComposeUnreachable):
        state_sensor().execute_complete({}, event("outage"))


def test_soft_fail_skips_instead() -> None:
    """As for every sensor of Airflow."""
    with pytest.raises(AirflowSkipException):
        state_sensor(soft_fail=True).execute_complete({}, event("timeout", state="RUNNING"))


def test_soft_fail_skips_also_before_the_deferral(door: ScriptedDoor) -> None:
    """The job may have failed before the sensor began."""
    door.answer = lambda job: report(job, "FAILED")
    with pytest.raises(AirflowSkipException):
        state_sensor(soft_fail=True, deferrable=True).execute({})


def test_what_is_no_handle_is_said_before_anything_is_asked(door: ScriptedDoor) -> None:
    """No retry could help."""
    sensor = HpcComposeStateSensor(task_id="wait", job_ref="{'job_id': 41}", deferrable=True)
    with pytest.raises(HpcComposeFinalError, match="job_ref is no job"):
        sensor.execute({})
    assert door.looks == []


def test_a_handle_may_be_the_text_that_a_template_made_of_it(door: ScriptedDoor) -> None:
    """As for operators."""
    door.answer = lambda job: report(job, "COMPLETED")
    sensor = HpcComposeStateSensor(task_id="wait", job_ref=str(handle().as_json()), deferrable=True)
    assert sensor.execute({})["state"] == "COMPLETED"


def test_a_cluster_that_cannot_be_reached_is_asked_again(door: ScriptedDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login node that is down for a minute fails no sensor that waits for days."""
    clock = FakeClock()
    monkeypatch.setattr(module, "CLOCK", clock)
    door.error = SchedulerUnreachable("no route to host")
    sensor = state_sensor(deferrable=False, outage_timeout=600)
    assert not sensor.poke({})
    clock.advance(599.0)
    assert not sensor.poke({})
    clock.advance(1.0)
    with pytest.raises(HpcComposeUnreachable):
        sensor.poke({})
    with pytest.raises(TaskDeferred):
        state_sensor(deferrable=True).execute({})


def test_one_state_may_be_given_as_text(door: ScriptedDoor) -> None:
    """And is not taken for a list of letters, which no job ever is."""
    assert state_sensor(target_states="RUNNING").target_states == ["RUNNING"]


def service_sensor(**arguments: Any) -> HpcComposeServiceReadySensor:
    """One that waits for the service web of job 41."""
    return HpcComposeServiceReadySensor(task_id="wait", job_ref=handle().as_json(), service="web", **arguments)


def test_a_ready_service_gives_its_endpoint(door: ScriptedDoor) -> None:
    """The next task connects to it."""
    door.answer = lambda job: report(job, services={"web": WEB})
    assert service_sensor(deferrable=True).execute({}) == {
        "v": 1, "job_id": "41", "service": "web", "state": "ready", "host": "node7", "ports": {"http": 8080},
        "urls": {"http": "http://node7:8080"},
    }  # fmt: skip


def test_a_service_of_a_job_that_is_over_is_not_ready(door: ScriptedDoor) -> None:
    """Nobody listens there any more."""
    with pytest.raises(HpcComposeFinalError, match="its service web was not seen ready"):
        service_sensor().execute_complete({}, event(state="COMPLETED", services={"web": WEB}))


class SweepDoor(ScriptedDoor):
    """A cluster with one sweep."""

    summary: dict[str, int]
    asked: list[str]

    def sweep_state(self, sweep: SweepHandle) -> SweepReport:
        self.asked.append(sweep.sweep_id)
        return SweepReport(
            sweep_id="s1",
            total=sum(self.summary.values()),
            is_over=not self.summary.get("running"),
            summary=self.summary,
        )


@pytest.mark.parametrize(
    ("arguments", "summary", "is_done"),
    [
        ({}, {"completed": 3, "running": 1}, False),
        ({}, {"completed": 3, "failed": 1}, True),
        ({"min_completed": 3}, {"completed": 3, "running": 1}, True),
        ({"fraction": 0.9}, {"completed": 3, "running": 1}, False),
        ({"fraction": 0.75}, {"completed": 3, "running": 1}, True),
        ({"any_failed": True}, {"completed": 3, "running": 1}, False),
        ({"any_failed": True}, {"submit_failed": 1, "running": 3}, True),
    ],
)
def test_a_sweep_is_waited_for_as_far_as_is_wanted(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], summary: dict[str, int], is_done: bool
) -> None:
    """All of it, some of it, or its first failure."""
    door = SweepDoor()
    door.summary, door.asked = summary, []
    monkeypatch.setattr(module, "open_door", lambda conn_id: door)
    sensor = HpcComposeSweepSensor(task_id="wait", sweep={"project_dir": "/p", "sweep_id": "s1"}, **arguments)
    assert bool(sensor.poke({})) is is_done
    assert door.asked == ["s1"]


def test_a_sweep_that_ends_short_of_the_wish_fails_the_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It will not come further."""
    sensor = HpcComposeSweepSensor(task_id="wait", sweep={"project_dir": "/p"}, min_completed=4)
    over = {"sweep_id": "s1", "total": 4, "is_over": True, "summary": {"completed": 3, "failed": 1}, "stopped_at": None}
    with pytest.raises(HpcComposeError, match="3 of 4 trials completed and 1 failed"):
        sensor.execute_complete({}, {"v": 1, "status": "over", "progress": over, "message": ""})


@pytest.mark.parametrize("wrong", [{"fraction": 0.0}, {"fraction": 1.5}, {"min_completed": 0}])
def test_a_wish_that_no_sweep_can_fulfil_is_refused_when_the_dag_is_read(wrong: dict[str, Any]) -> None:
    """Not after hours of waiting."""
    with pytest.raises(ValueError, match=r"is not between|less than one"):
        HpcComposeSweepSensor(task_id="wait", sweep={"project_dir": "/p"}, **wrong)


def test_sensors_are_mapped_like_any_task() -> None:
    """One sensor per service or job."""
    fields: Sequence[str] = HpcComposeServiceReadySensor.template_fields
    assert {"job_ref", "service", "hpccompose_conn_id"} <= set(fields)
