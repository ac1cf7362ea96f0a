"""What the end of a job means for its task, and which failures are tried again."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_hpccompose import exceptions
from airflow_provider_hpccompose.failures import failure_of_event, failure_of_report, needs_cancel
from airflow_provider_hpccompose.policies import HAS_RETRY_POLICIES, default_retry_policy
from tests.airflow.virtual_time import handle, report

pytestmark = pytest.mark.adapters


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("app_failed", exceptions.HpcComposeJobFailed),
        ("infra", exceptions.HpcComposeInfraFailure),
        ("preempted", exceptions.HpcComposePreempted),
        ("oom", exceptions.HpcComposeOutOfMemory),
        ("timelimit", exceptions.HpcComposeTimeLimit),
        ("cancelled", exceptions.HpcComposeCancelled),
        ("unknown", exceptions.HpcComposeStateUnknown),
        ("a verdict of a later release", exceptions.HpcComposeStateUnknown),
    ],
)
def test_every_verdict_but_ok_is_an_exception_of_its_own(verdict: str, expected: type[Exception]) -> None:
    """Success is only what the cluster says is one."""
    assert type(failure_of_report({"verdict": verdict}, job_id="41")) is expected


def test_a_job_that_ended_well_is_no_failure() -> None:
    """Nothing is raised."""
    assert failure_of_report(report(state="COMPLETED").as_json(), job_id="41") is None


@pytest.mark.parametrize(("wanted", "skips"), [(99, True), ([1, 99], True), ([1], False), (None, False)])
def test_an_exit_code_can_stand_for_a_skip(wanted: Any, skips: bool) -> None:
    """As BashOperator does."""
    failure = failure_of_report({"verdict": "app_failed", "exit_code": 99}, job_id="41", skip_on_exit_code=wanted)
    assert isinstance(failure, AirflowSkipException) is skips


def test_a_time_limit_is_worth_another_try_when_the_job_resumes() -> None:
    """The next job goes on from the checkpoint."""
    failure = failure_of_report({"verdict": "timelimit"}, job_id="41", resumable=True)
    assert type(failure) is exceptions.HpcComposeResumableTimeLimit


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("fail", exceptions.HpcComposeCancelled),
        ("retry", exceptions.HpcComposeCancelledOutside),
        ("skip", AirflowSkipException),
    ],
)
def test_a_job_that_somebody_else_cancelled_ends_its_task_as_wished(wish: Any, expected: type[Exception]) -> None:
    """What we cancelled ourselves is always a failure."""
    assert type(failure_of_report({"verdict": "cancelled"}, job_id="41", on_external_cancel=wish)) is expected
    ours = failure_of_report({"verdict": "cancelled"}, job_id="41", on_external_cancel=wish, cancelled_by_us=True)
    assert type(ours) is exceptions.HpcComposeCancelled


@pytest.mark.parametrize(
    ("status", "expected", "cancels"),
    [
        ("timeout", exceptions.HpcComposeRunTimeout, True),
        ("queue_timeout", exceptions.HpcComposeQueueTimeout, True),
        ("fatal_pending", exceptions.HpcComposeNeverRunnable, True),
        ("lost", exceptions.HpcComposeStateUnknown, False),
        ("outage", exceptions.HpcComposeUnreachable, False),
    ],
)
def test_every_other_end_of_a_wait_has_its_exception(status: str, expected: type[Exception], cancels: bool) -> None:
    """An outage and a lost trace leave the job alone."""
    failure = failure_of_event({"status": status, "job_ref": handle().as_json(), "snapshot": None})
    assert type(failure) is expected
    assert needs_cancel(status) is cancels


def test_the_message_tells_what_failed() -> None:
    """State, reason, exit code, and the services that failed."""
    told = report(state="FAILED", exit_code=3, services={"train": {"state": "failed", "exit_code": 3}, "db": {}})
    failure = failure_of_report(told.as_json(), job_id="41")
    assert str(failure) == "Job 41 failed (FAILED, exit code 3; train: failed, exit code 3)."


@pytest.mark.skipif(not HAS_RETRY_POLICIES, reason="retry policies came with Airflow 3.3")
@pytest.mark.parametrize(
    ("name", "action", "delay_s"),
    [
        ("HpcComposeJobFailed", "default", None),
        ("HpcComposeError", "default", None),
        ("HpcComposeInfraFailure", "retry", 60.0),
        ("HpcComposePreempted", "retry", 60.0),
        ("HpcComposeUnreachable", "retry", 300.0),
        ("HpcComposeStateUnknown", "retry", 60.0),
        ("HpcComposeQueueTimeout", "retry", None),
        ("HpcComposeResumableTimeLimit", "retry", None),
        ("HpcComposeCancelledOutside", "retry", None),
        ("HpcComposeOutOfMemory", "fail", None),
        ("HpcComposeTimeLimit", "fail", None),
        ("HpcComposeCancelled", "fail", None),
        ("HpcComposeRunTimeout", "fail", None),
        ("HpcComposeNeverRunnable", "fail", None),
        ("HpcComposeSpecError", "fail", None),
    ],
)
def test_the_default_policy_retries_what_another_try_can_cure(name: str, action: str, delay_s: float | None) -> None:
    """The exceptions carry the cause, the policy the decision."""
    decision = default_retry_policy().evaluate(getattr(exceptions, name)("why"), 1, 3)
    assert decision.action.value == action
    assert (decision.retry_delay.total_seconds() if decision.retry_delay else None) == delay_s


@pytest.mark.skipif(not HAS_RETRY_POLICIES, reason="retry policies came with Airflow 3.3")
def test_the_policy_goes_into_a_serialized_dag_and_back() -> None:
    """The scheduler keeps DAGs as JSON."""
    policy = default_retry_policy()
    again = type(policy).deserialize(policy.serialize())
    assert again.evaluate(exceptions.HpcComposeOutOfMemory("why"), 1, 3).action.value == "fail"


@pytest.mark.skipif(not HAS_RETRY_POLICIES, reason="there it is the other way round")
def test_with_policies_no_exception_takes_the_decision_away_from_them() -> None:
    """Airflow asks no policy about an AirflowFailException."""
    assert not issubclass(exceptions.HpcComposeOutOfMemory, AirflowFailException)


def test_without_policies_the_exceptions_end_the_task_themselves() -> None:
    """Airflow before 3.3: the same decisions, by the exception's class."""
    program = (
        "import airflow.providers.common.compat.sdk as sdk\n"
        "for name in ('ExceptionRetryPolicy', 'RetryAction', 'RetryRule'):\n"
        "    sdk.__dict__.pop(name, None)\n"
        "found = sdk.__getattr__\n"
        "def without(name):\n"
        "    if 'Retry' in name:\n"
        "        raise AttributeError(name)\n"
        "    return found(name)\n"
        "sdk.__getattr__ = without\n"
        "from airflow_provider_hpccompose import exceptions, policies\n"
        "final = sdk.AirflowFailException\n"
        "print(policies.default_retry_policy(), issubclass(exceptions.HpcComposeOutOfMemory, final),\n"
        "      issubclass(exceptions.HpcComposeSpecError, final), issubclass(exceptions.HpcComposeUnreachable, final))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["None", "True", "True", "False"]
