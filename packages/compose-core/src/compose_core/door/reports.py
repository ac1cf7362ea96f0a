"""How a job is, in the few words that an orchestrator decides by."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.atomic import file_exists
from compose_core.records.cancel_mark import cancel_is_requested, request_cancel
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import SubmissionPaths
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot

Verdict = Literal[
    "active", "ok", "app_failed", "infra", "oom", "timelimit", "preempted", "cancelled", "unknown", "unreachable"
]

_OF_STATE: dict[JobState, Verdict] = {
    JobState.COMPLETED: "ok",
    JobState.FAILED: "app_failed",
    JobState.CANCELLED: "cancelled",
    JobState.TIMEOUT: "timelimit",
    JobState.DEADLINE: "timelimit",
    JobState.OUT_OF_MEMORY: "oom",
    JobState.PREEMPTED: "preempted",
    JobState.NODE_FAIL: "infra",
    JobState.BOOT_FAIL: "infra",
    JobState.LAUNCH_FAILED: "infra",
    JobState.RECONFIG_FAIL: "infra",
    JobState.GETENV_FAILED: "infra",
    JobState.LOST: "unknown",
}


_NEVER_BEGAN = frozenset({"JobLaunchFailure", "SystemFailure"})
"""Why Slurm calls a job FAILED whose script it could not start.  Source: squeue(1), JOB REASON CODES; seen with 22.05."""


def verdict_of(snapshot: JobSnapshot) -> Verdict:
    """What came of the job; `active` while it may still change."""
    if snapshot.state is JobState.UNREACHABLE:
        return "unreachable"
    if snapshot.state is JobState.FAILED and snapshot.terminal and snapshot.reason in _NEVER_BEGAN:
        return "infra"
    if snapshot.terminal:
        return _OF_STATE.get(snapshot.state, "unknown")
    return "unknown" if snapshot.state is JobState.UNKNOWN else "active"


def job_report(snapshot: JobSnapshot) -> dict[str, Any]:
    """The job in plain JSON; times in epoch seconds."""
    known = snapshot.last_known_state
    return {
        "job_id": snapshot.job_id,
        "token": snapshot.record.submission_token,
        "state": str(snapshot.state),
        "raw_state": str(known if known is not None else snapshot.state),
        "verdict": verdict_of(snapshot),
        "is_active": not snapshot.terminal,
        "is_running": not snapshot.terminal and snapshot.state.is_active,
        "is_over": snapshot.terminal,
        "reason": snapshot.reason,
        "cause": snapshot.cause,
        "detail": snapshot.detail,
        "exit_code": snapshot.exit_code,
        "signal": snapshot.signal,
        "source": snapshot.source,
        "nodes": snapshot.nodelist,
        "attempt": snapshot.attempt,
        "times": {
            "submitted": snapshot.submitted_at,
            "started": snapshot.started_at,
            "ended": snapshot.ended_at,
            "expected_start": snapshot.expected_start_at,
            "observed": snapshot.observed_at,
        },
        "services": {service.name: _service(service) for service in snapshot.services},
        "tasks": snapshot.task_counts if snapshot.tasks else {},
        "resumes": snapshot.record.resume_dir is not None,
        "end_is_requested": not snapshot.terminal and _end_is_requested(snapshot.record),
    }


def request_end(record: JobRecord) -> None:
    """Write down that the job is to end, before anybody is asked for it: whoever looks next knows that it is no job to take on.

    Without its submission's folder, or where that cannot be written, nothing is written.
    """
    with suppress(RecordError):
        if file_exists(_submission(record).folder):
            request_cancel(_submission(record))


def _end_is_requested(record: JobRecord) -> bool:
    try:
        return cancel_is_requested(_submission(record))
    except RecordError:
        return False


def _submission(record: JobRecord) -> SubmissionPaths:
    return record.project.submission(record.submission_token)


def unknown_job(job_id: str, token: str, why: str) -> dict[str, Any]:
    """The report on a job that nobody keeps a record of: no end, only that nothing is known."""
    return {
        "job_id": job_id,
        "token": token,
        "state": str(JobState.UNKNOWN),
        "raw_state": str(JobState.UNKNOWN),
        "verdict": "unknown",
        "is_active": False,
        "is_running": False,
        "is_over": False,
        "reason": "",
        "cause": None,
        "detail": why,
        "exit_code": None,
        "signal": None,
        "source": "record",
        "nodes": "",
        "attempt": None,
        "times": {},
        "services": {},
        "tasks": {},
        "resumes": False,
        "end_is_requested": False,
    }


def _service(service: ServiceSnapshot) -> dict[str, Any]:
    state = service.state
    return {
        "state": service.status,
        "alive": service.alive,
        "ready": service.status == "ready",
        "exit_code": state.last_exit_code if state else None,
        "restarts": state.restart_count if state else 0,
        "lifecycle": state.lifecycle if state else "main",
        "why": (state.failure_reason or "") if state else "",
        "host": (state.host or state.nodelist or "") if state else "",
        "ports": dict(state.ports) if state else {},
        "log": service.log_path,
    }
