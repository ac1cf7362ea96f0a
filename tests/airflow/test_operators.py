"""The operators of one job, over a cluster in memory: what they submit, when they defer, what they raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException, TaskDeferred

from airflow_provider_hpccompose import exceptions
from airflow_provider_hpccompose.doors import JobHandle, SubmitRequest
from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
from airflow_provider_hpccompose.job_results import handle_from
from airflow_provider_hpccompose.operators.connected import ConnectedOperator
from airflow_provider_hpccompose.operators.hpccompose import (
    HpcComposeArtifactsOperator,
    HpcComposeCancelOperator,
    HpcComposeOperator,
    HpcComposeSubmitOperator,
    HpcComposeWatchOperator,
)
from airflow_provider_hpccompose.operators.spec_source import SpecOperator
from airflow_provider_hpccompose.operators.sweep import HpcComposeSweepSubmitOperator
from airflow_provider_hpccompose.triggers.hpccompose import HpcComposeTrigger
from compose_core import Location, Problem, SpecError
from tests.airflow.fake_door import FakeDoor

pytestmark = pytest.mark.adapters

SPEC = {"services": {"app": {"image": "app.sqsh"}}}
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class FakeTaskInstance:
    """A try, as far as operators ask."""

    dag_id: str = "d"
    run_id: str = "r"
    task_id: str = "t"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    start_date: datetime = START
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int | None = None) -> Any:
        return self.xcoms.get(key)


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
def ti() -> FakeTaskInstance:
    return FakeTaskInstance()


def ready(operator: ConnectedOperator, door: FakeDoor) -> Any:
    operator.hook = HpcComposeHook(door=door)
    return operator


def task(door: FakeDoor, **options: Any) -> HpcComposeOperator:
    made = ready(HpcComposeOperator(task_id="t", **{"spec": SPEC, **options}), door)
    assert isinstance(made, HpcComposeOperator)
    return made


def context(ti: FakeTaskInstance) -> Any:
    return {"ti": ti}


def deferred(door: FakeDoor, ti: FakeTaskInstance, **options: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task(door, **options).execute(context(ti))
    return caught.value


def event(door: FakeDoor, ti: FakeTaskInstance, status: str = "done") -> dict[str, Any]:
    handle = handle_from(ti.xcoms["job"])
    return {
        "v": 1,
        "status": status,
        "job_ref": handle.as_json(),
        "snapshot": door.reports[handle.token].as_json(),
        "log_offsets": {},
    }


def the_job(door: FakeDoor) -> JobHandle:
    return next(iter(door.jobs.values()))


def test_a_task_submits_pushes_its_job_and_defers(door: FakeDoor, ti: FakeTaskInstance) -> None:
    """Links and whoever looks from outside find the job before it is over."""
    wait = deferred(door, ti, queue_timeout=timedelta(hours=2), run_timeout=timedelta(hours=1), poll_seconds=7)
    assert isinstance(wait.trigger, HpcComposeTrigger)
    _, arguments = wait.trigger.serialize()
    handle = the_job(door)
    assert ti.xcoms["job"] == arguments["job_ref"] == handle.as_json()
    assert arguments["deadline"] == START.timestamp() + 3600
    assert arguments["queue_deadline"] == handle.submitted_at + 7200
    assert arguments["poll_seconds"] == 7
    assert arguments["min_defer_seconds"] == 10


def test_execution_timeout_bounds_the_wait_that_airflow_itself_does_not_bound(
    door: FakeDoor, ti: FakeTaskInstance
) -> None:
    wait = deferred(door, ti, execution_timeout=timedelta(minutes=5))
    assert isinstance(wait.trigger, HpcComposeTrigger)
    assert wait.trigger.deadline == START.timestamp() + 300
    assert wait.timeout is not None
    assert wait.timeout > timedelta(minutes=5)


def test_a_job_that_is_over_is_not_deferred(door: FakeDoor, ti: FakeTaskInstance) -> None:
    """A retry after a false failure finds the finished job and returns its result at once."""
    deferred(door, ti)
    door.set_state(the_job(door), "COMPLETED")
    result = task(door).execute(context(FakeTaskInstance(try_number=2, max_tries=0)))
    assert (result["verdict"], result["attached"]) == ("ok", True)
    assert sum(door.submissions.values()) == 1


def test_the_result_is_small_plain_and_whole(door: FakeDoor, ti: FakeTaskInstance) -> None:
    deferred(door, ti)
    services = {"app": {"state": "exited", "exit_code": 0, "restarts": 1, "log": "/l", "ports": {"http": 1}}}
    times = {"submitted": 10.0, "started": 12.5, "ended": 20.0}
    door.set_state(the_job(door), "COMPLETED", services=services, times=times, nodes="n1")
    result = task(door, artifacts=True, trial={"variables": {"LR": 0.1}}).execute_complete(context(ti), event(door, ti))
    assert (result["queued_s"], result["elapsed_s"], result["nodes"]) == (2.5, 7.5, "n1")
    assert result["services"] == {"app": {"state": "exited", "exit_code": 0, "restarts": 1, "log": "/l"}}
    assert result["artifacts"]["default"]["files"] == 1
    assert result["trial"] == {"variables": {"LR": 0.1}}
    assert handle_from(result).token == the_job(door).token


def test_artifacts_are_brought_to_the_worker_where_that_is_asked_for(door: FakeDoor, ti: FakeTaskInstance) -> None:
    """`fetch_to` alone exports everything first; without it nothing travels."""
    deferred(door, ti)
    door.set_state(the_job(door), "COMPLETED")
    result = task(door, fetch_to="/here").execute_complete(context(ti), event(door, ti))
    assert result["artifacts"]["default"]["fetched"] == {"uri": "/here/default"}
    door.calls.clear()
    task(door, artifacts=True).execute_complete(context(ti), event(door, ti))
    assert "fetch_artifacts" not in door.calls


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("FAILED", exceptions.HpcComposeJobFailed),
        ("NODE_FAIL", exceptions.HpcComposeInfraFailure),
        ("OUT_OF_MEMORY", exceptions.HpcComposeOutOfMemory),
        ("TIMEOUT", exceptions.HpcComposeTimeLimit),
        ("CANCELLED", exceptions.HpcComposeCancelled),
    ],
)
def test_an_end_that_is_no_success_is_raised_by_its_cause(
    door: FakeDoor, ti: FakeTaskInstance, state: str, expected: type[Exception]
) -> None:
    deferred(door, ti)
    door.set_state(the_job(door), state)
    with pytest.raises(expected):
        task(door).execute_complete(context(ti), event(door, ti))


def test_an_exit_code_can_skip_the_task(door: FakeDoor, ti: FakeTaskInstance) -> None:
    deferred(door, ti)
    door.set_state(the_job(door), "FAILED", exit_code=99)
    with pytest.raises(AirflowSkipException):
        task(door, skip_on_exit_code=99).execute_complete(context(ti), event(door, ti))


@pytest.mark.parametrize(
    ("status", "expected", "is_cancelled"),
    [
        ("timeout", exceptions.HpcComposeRunTimeout, True),
        ("queue_timeout", exceptions.HpcComposeQueueTimeout, True),
        ("fatal_pending", exceptions.HpcComposeNeverRunnable, True),
        ("outage", exceptions.HpcComposeUnreachable, False),
        ("lost", exceptions.HpcComposeStateUnknown, False),
    ],
)
def test_a_wait_that_ends_before_the_job_cancels_it_where_a_limit_says_so(
    door: FakeDoor, ti: FakeTaskInstance, status: str, expected: type[Exception], is_cancelled: bool
) -> None:
    """In an outage the job goes on: another try follows and finds it."""
    ti.max_tries = 1
    deferred(door, ti, retries=1)
    with pytest.raises(expected):
        task(door, retries=1).execute_complete(context(ti), event(door, ti, status))
    assert bool(door.cancelled) is is_cancelled


def test_an_outage_at_the_last_try_leaves_no_job_behind(door: FakeDoor, ti: FakeTaskInstance) -> None:
    deferred(door, ti)
    with pytest.raises(exceptions.HpcComposeUnreachable):
        task(door).execute_complete(context(ti), event(door, ti, "outage"))
    assert door.cancelled == [the_job(door).job_id]


@pytest.mark.parametrize(
    ("error", "max_tries", "expected", "is_cancelled"),
    [
        ("Trigger timeout", 3, "TaskDeferralTimeout", True),
        ("Trigger failure", 3, "TaskDeferralError", False),
        ("Trigger failure", 0, "TaskDeferralError", True),
    ],
)
def test_airflows_own_end_of_a_deferral_orphans_no_job(
    door: FakeDoor, ti: FakeTaskInstance, error: str, max_tries: int, expected: str, is_cancelled: bool
) -> None:
    """Neither the trigger's nor the operator's on_kill is called then."""
    deferred(door, ti)
    ti.max_tries = max_tries
    with pytest.raises(AirflowException) as caught:
        task(door).resume_execution("__fail__", {"error": error}, context(ti))
    assert type(caught.value).__name__ == expected  # which lives in other modules before Airflow 3.2
    assert bool(door.cancelled) is is_cancelled


@pytest.mark.parametrize(("action", "cancels"), [("cancel", True), ("keep", False)])
def test_a_kill_while_the_job_is_watched_ends_it(
    door: FakeDoor, ti: FakeTaskInstance, action: Any, cancels: bool
) -> None:
    operator = task(door, on_kill_action=action)
    with pytest.raises(TaskDeferred):
        operator.execute(context(ti))
    operator.on_kill()
    assert bool(door.cancelled) is cancels


def test_a_kill_while_the_job_is_submitted_ends_it(door: FakeDoor, ti: FakeTaskInstance) -> None:
    """Airflow tells of the kill and lets the worker go on for some seconds: there is no job yet, and then there is one."""
    operator = task(door)
    submit = door.submit

    def killed_meanwhile(request: SubmitRequest) -> JobHandle:
        operator.on_kill()
        return submit(request)

    door.submit = killed_meanwhile  # type: ignore[method-assign]
    with pytest.raises(exceptions.HpcComposeCancelled):
        operator.execute(context(ti))
    assert door.cancelled == [the_job(door).job_id]


@pytest.mark.parametrize(("max_tries", "cancels"), [(0, True), (1, False)])
@pytest.mark.parametrize("verb", ["xcom_push", "observe"])
def test_an_error_after_the_submission_orphans_no_job_at_the_last_try(
    door: FakeDoor, verb: str, max_tries: int, cancels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow calls nobody when a task just fails; a next try would find the job."""
    ti = FakeTaskInstance(max_tries=max_tries)

    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(ti if verb == "xcom_push" else door, verb, failing)
    with pytest.raises(RuntimeError):
        task(door).execute(context(ti))
    assert bool(door.cancelled) is cancels


@pytest.mark.parametrize("name", ["run_timeout", "queue_timeout", "outage_timeout"])
def test_a_duration_may_be_seconds_and_anything_else_is_refused_when_the_dag_is_read(name: str) -> None:
    """Found out later, the job would run already."""

    def made(value: Any) -> HpcComposeOperator:
        given: dict[str, Any] = {name: value}
        return HpcComposeOperator(task_id="t", spec=SPEC, **given)

    assert getattr(made(90), name) == timedelta(seconds=90)
    for wrong in ("1h", True, 0, timedelta(0)):
        with pytest.raises((TypeError, ValueError), match=name):
            made(wrong)


@pytest.mark.parametrize("operator", [HpcComposeOperator, HpcComposeSweepSubmitOperator])
def test_the_patience_of_a_submission_may_be_seconds_or_none_at_all(operator: type[SpecOperator]) -> None:
    def made(value: Any) -> Any:
        return operator(task_id="t", spec=SPEC, submit_patience=value)

    assert made(60).submit_patience == timedelta(minutes=1)
    assert made(0).submit_patience == timedelta(0)
    for wrong in ("1h", True, -1):
        with pytest.raises((TypeError, ValueError), match="submit_patience"):
            made(wrong)


def test_what_is_submitted_holds_all_that_was_asked_for(door: FakeDoor, ti: FakeTaskInstance) -> None:
    deferred(
        door,
        ti,
        variables={"N": 2, "FLAG": True},
        environment={"LR": 0.1},
        service_overrides={"app": {"command": "x"}},
        hpc_resources={"time": "00:10:00"},
        job_name="train",
        trial={"variables": {"SEED": 7}},
    )
    request = next(iter(door.requests.values()))
    assert (request.variables, request.environment) == ({"N": "2", "FLAG": "true"}, {"LR": "0.1"})
    wanted = {"name": "train", "x-slurm": {"time": "00:10:00"}, "services": {"app": {"command": "x"}}}
    assert request.overrides == wanted
    assert request.trial == {"SEED": "7"}
    assert (request.labels["dag_id"], request.project_dir) == ("d", "d")


@pytest.mark.parametrize(
    "options",
    [
        {"spec": None},
        {"compose_file": "a.yaml"},
        {"spec": [1]},
        {"spec": {"services": {"app": object()}}},
        {"variables": {"N": [1]}},
        {"trial": "LR=1"},
        {"service_overrides": {"app": "x"}},
        {"service_overrides": "app"},
        {"hpc_resources": "time=1"},
    ],
)
def test_an_argument_that_makes_no_sense_submits_nothing(
    door: FakeDoor, ti: FakeTaskInstance, options: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.HpcComposeSpecError):
        task(door, **options).execute(context(ti))
    assert "submit" not in door.calls


def test_an_invalid_spec_is_told_by_its_place_and_never_retried(door: FakeDoor, ti: FakeTaskInstance) -> None:
    where = Location(file="train.yaml", line=7, column=5)
    door.errors["submit"] = SpecError([Problem(code="unknown-key", message="unsupported key 'comand'", where=where)])
    with pytest.raises(exceptions.HpcComposeFinalError, match=r"train\.yaml:7:5"):
        task(door).execute(context(ti))


def test_submitting_watching_collecting_and_cancelling_are_tasks_of_their_own(
    door: FakeDoor, ti: FakeTaskInstance
) -> None:
    submitting = ready(HpcComposeSubmitOperator(task_id="t", spec=SPEC), door)
    job = submitting.execute(context(ti))
    submitting.on_kill()
    assert door.cancelled == []  # the job outlives the task
    watching = ready(HpcComposeWatchOperator(task_id="w", job=job), door)
    with pytest.raises(TaskDeferred):
        watching.execute(context(ti))
    door.set_state(the_job(door), "COMPLETED")
    assert watching.execute(context(ti))["verdict"] == "ok"
    collecting = ready(HpcComposeArtifactsOperator(task_id="a", job=str(job), bundles=["model"]), door)
    assert collecting.execute(context(ti)).keys() == {"model"}
    ending = ready(HpcComposeCancelOperator(task_id="c", job=job), door)
    assert ending.execute(context(ti))["verdict"] == "ok"


@pytest.mark.parametrize("job", [None, "", "None"])
def test_a_teardown_without_a_job_has_nothing_to_do(door: FakeDoor, ti: FakeTaskInstance, job: Any) -> None:
    """Its setup failed before there was one."""
    assert ready(HpcComposeCancelOperator(task_id="c", job=job), door).execute(context(ti)) is None
    assert door.calls == []


@pytest.mark.parametrize("job", [{"job_id": "1"}, "train.yaml", 7])
def test_what_is_no_job_is_refused(door: FakeDoor, ti: FakeTaskInstance, job: Any) -> None:
    with pytest.raises(exceptions.HpcComposeSpecError, match="is no job"):
        ready(HpcComposeWatchOperator(task_id="w", job=job), door).execute(context(ti))


def test_without_deferral_the_worker_waits_by_the_same_terms(door: FakeDoor, ti: FakeTaskInstance) -> None:
    """The job ends at the second look."""
    looks: list[str] = []
    original = door.observe

    def observe(handles: Sequence[JobHandle]) -> Any:
        looks.append("look")
        if len(looks) == 3:
            door.set_state(handles[0], "COMPLETED")
        return original(handles)

    door.observe = observe  # type: ignore[method-assign]
    door.log_lines["app"] = ["hi"]
    result = task(door, deferrable=False, poll_seconds=1).execute(context(ti))
    assert (result["verdict"], len(looks)) == ("ok", 3)


def test_a_missing_connection_says_how_to_add_one(ti: FakeTaskInstance) -> None:
    """Nothing is submitted, and no retry could help."""
    operator = HpcComposeOperator(task_id="t", spec=SPEC, hpccompose_conn_id="nowhere")
    with pytest.raises(exceptions.HpcComposeConnectionError, match="airflow connections add nowhere"):
        operator.execute(context(ti))
