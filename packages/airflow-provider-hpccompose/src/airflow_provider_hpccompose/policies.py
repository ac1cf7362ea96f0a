"""Which failures are worth another try: the default retry policy for Airflow 3.3 and later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:  # retry policies came with Airflow 3.3
    from airflow.providers.common.compat.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    HAS_RETRY_POLICIES = True
    """This Airflow asks a retry policy which failures to try again."""
except (ImportError, AttributeError):
    HAS_RETRY_POLICIES = False

INFRA_DELAY = timedelta(seconds=60)
UNREACHABLE_DELAY = timedelta(minutes=5)

_RETRIED: dict[str, tuple[timedelta | None, str]] = {
    "HpcComposeInfraFailure": (INFRA_DELAY, "the cluster failed, not the program"),  # and HpcComposePreempted
    "HpcComposeResumableTimeLimit": (None, "the next job goes on from the checkpoint"),
    "HpcComposeCancelledOutside": (None, "on_external_cancel is retry"),
    "HpcComposeQueueTimeout": (None, "the queue may be shorter next time"),
    "HpcComposeStateUnknown": (INFRA_DELAY, "the next try looks for the job again"),
    "HpcComposeUnreachable": (UNREACHABLE_DELAY, "the job is left alone, the next try finds it"),
}
_FINAL: dict[str, str] = {
    "HpcComposeOutOfMemory": "the same request would run out of memory again",
    "HpcComposeTimeLimit": "the same request would reach its time limit again",
    "HpcComposeCancelled": "the job was cancelled",
    "HpcComposeRunTimeout": "the same job would run too long again",
    "HpcComposeNeverRunnable": "the scheduler would never start it",
    "HpcComposeSpecError": "the compose file has to be changed first",
    "HpcComposeSiteError": "the machine that jobs are submitted from has to be mended first",
    "HpcComposeConnectionError": "the connection has to be mended first",
    "HpcComposeFinalError": "another try cannot cure this",
}


def default_retry_policy() -> Any:
    """The policy of all tasks that are given none; None before Airflow 3.3, where the exceptions themselves decide.

    A failed program (`HpcComposeJobFailed`) and everything unknown follow the task's own `retries` and `retry_delay`.
    """
    if not HAS_RETRY_POLICIES:
        return None
    return ExceptionRetryPolicy(
        rules=[
            *(_rule(name, RetryAction.RETRY, reason, delay) for name, (delay, reason) in _RETRIED.items()),
            *(_rule(name, RetryAction.FAIL, reason) for name, reason in _FINAL.items()),
        ]
    )


def _rule(name: str, action: Any, reason: str, delay: timedelta | None = None) -> Any:
    """The class goes in by name: the scheduler, which only shows the policy, need not import it."""
    return RetryRule(f"{__package__}.exceptions.{name}", action=action, retry_delay=delay, reason=reason)
