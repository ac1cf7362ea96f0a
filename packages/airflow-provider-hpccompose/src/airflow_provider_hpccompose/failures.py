"""What the end of a job means for its task: success, a skip, or one of the exceptions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

from airflow_provider_hpccompose import exceptions

FATAL_PENDING_REASONS = (
    "AssocMaxWallDurationPerJobLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "InvalidAccount",
    "InvalidQOS",
    "MaxMemPerLimit",
    "PartitionTimeLimit",
    "QOSMaxCpuPerJobLimit",
    "QOSMaxMemoryPerJob",
    "QOSMaxWallDurationPerJobLimit",
    "ReservationDeleted",
    "AccountNotAllowed",
    "QOSNotAllowed",
)
"""Why a waiting job will not start without somebody changing it.  Source: squeue(1), JOB REASON CODES."""

OnExternalCancel = Literal["fail", "retry", "skip"]

_OF_VERDICT: dict[str, tuple[type[exceptions.HpcComposeError], str]] = {
    "app_failed": (exceptions.HpcComposeJobFailed, "failed"),
    "infra": (exceptions.HpcComposeInfraFailure, "was ended by a failure of the cluster"),
    "preempted": (exceptions.HpcComposePreempted, "had to give way to another job"),
    "oom": (exceptions.HpcComposeOutOfMemory, "ran out of memory; ask for more (`x-slurm.mem`)"),
    "unknown": (exceptions.HpcComposeStateUnknown, "has left no trace anywhere; the next try looks for it again"),
    "unreachable": (exceptions.HpcComposeUnreachable, "cannot be asked about: the cluster does not answer"),
}
_OF_STATUS: dict[str, tuple[type[exceptions.HpcComposeError], str]] = {
    "timeout": (exceptions.HpcComposeRunTimeout, "ran longer than run_timeout and was cancelled"),
    "queue_timeout": (exceptions.HpcComposeQueueTimeout, "waited longer than queue_timeout and was cancelled"),
    "fatal_pending": (exceptions.HpcComposeNeverRunnable, "can never start and was cancelled"),
    "lost": _OF_VERDICT["unknown"],
    "outage": (exceptions.HpcComposeUnreachable, "was left alone: the cluster has not answered for too long"),
}


def failure_of_report(
    report: Mapping[str, Any],
    *,
    job_id: str,
    resumable: bool = False,
    cancelled_by_us: bool = False,
    on_external_cancel: OnExternalCancel = "fail",
    skip_on_exit_code: int | Collection[int] | None = None,
) -> AirflowException | None:
    """What to raise for a job that is over; None: it ended well. `report` is a `JobReport` as JSON."""
    verdict = str(report.get("verdict"))
    if verdict == "ok":
        return None
    skipped = _skip_of(report.get("exit_code"), skip_on_exit_code)
    if verdict == "app_failed" and skipped:
        return AirflowSkipException(f"Job {job_id} ended with {report['exit_code']}, which is to skip the task.")
    if verdict == "timelimit":
        return _time_limit(job_id, report, resumable=resumable)
    if verdict == "cancelled":
        return _cancellation(job_id, report, "fail" if cancelled_by_us else on_external_cancel, ours=cancelled_by_us)
    kind, what = _OF_VERDICT.get(verdict, _OF_VERDICT["unknown"])
    return kind(f"Job {job_id} {what}{_evidence(report)}")


def failure_of_event(event: Mapping[str, Any], **how: Any) -> AirflowException | None:
    """What to raise for a trigger's event, the same way; who raises for `timeout`, `queue_timeout` or `fatal_pending` cancels first."""
    job_id, report = str(event["job_ref"]["job_id"]), event.get("snapshot") or {}
    status = str(event["status"])
    if status == "done":
        return failure_of_report(report, job_id=job_id, **how)
    kind, what = _OF_STATUS[status]
    return kind(f"Job {job_id} {what}{_evidence(report)}")


def needs_cancel(status: str) -> bool:
    """The job of an event with this status is to be cancelled before the task ends."""
    return status in ("timeout", "queue_timeout", "fatal_pending")


def _skip_of(exit_code: object, wanted: int | Collection[int] | None) -> bool:
    if exit_code is None or wanted is None:
        return False
    return exit_code == wanted if isinstance(wanted, int) else exit_code in wanted


def _time_limit(job_id: str, report: Mapping[str, Any], *, resumable: bool) -> AirflowException:
    if resumable:
        return exceptions.HpcComposeResumableTimeLimit(
            f"Job {job_id} reached its time limit; the next try goes on from its checkpoint{_evidence(report)}"
        )
    return exceptions.HpcComposeTimeLimit(
        f"Job {job_id} reached its time limit; ask for more (`x-slurm.time`) or set `x-slurm.resume`{_evidence(report)}"
    )


def _cancellation(job_id: str, report: Mapping[str, Any], wish: OnExternalCancel, *, ours: bool) -> AirflowException:
    said = f"Job {job_id} was cancelled{'' if ours else ' by somebody else'}{_evidence(report)}"
    if wish == "skip":
        return AirflowSkipException(said)
    return exceptions.HpcComposeCancelledOutside(said) if wish == "retry" else exceptions.HpcComposeCancelled(said)


def _evidence(report: Mapping[str, Any]) -> str:
    """State, reason and exit code, and the services that failed: ` (FAILED, exit code 3; train: failed, exit code 3).`"""
    if not report:
        return "."
    words = [str(report.get("raw_state") or report.get("state") or "")]
    if report.get("reason") not in (None, "", "None"):
        words.append(str(report["reason"]))
    if report.get("exit_code") not in (None, 0):
        words.append(f"exit code {report['exit_code']}")
    services = [
        f"{name}: {service.get('state')}, exit code {service['exit_code']}"
        for name, service in (report.get("services") or {}).items()
        if service.get("exit_code")
    ]
    return f" ({'; '.join([', '.join(filter(None, words)), *services])})."
