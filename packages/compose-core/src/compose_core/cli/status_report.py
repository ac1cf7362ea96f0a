"""What `status` and `ps` say of a job in JSON: its snapshot, and what is worth knowing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compose_core.insight.pending_reasons import reason_in_words

if TYPE_CHECKING:
    from compose_core.tracking.queue_details import QueueDetails
    from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot


def status_report(snapshot: JobSnapshot, details: QueueDetails) -> dict[str, Any]:
    """The fields of `status`; times in epoch seconds."""
    from compose_core.tracking.earlier_attempt import attempts_known
    from compose_core.tracking.file_facts import file_facts

    record, now = snapshot.record, snapshot.observed_at
    is_array = record.array is not None
    return {
        **snapshot.as_json(),
        "services": [_service(service, now) for service in snapshot.services],
        "record": record.as_json(),
        "log_dir": None if is_array else str(snapshot_logs(snapshot)),
        "attempts": list(attempts_known(record)),
        "resume_dir": record.resume_dir,
        "scheduler": {
            "state": str(snapshot.state),
            "source": snapshot.source,
            "terminal": snapshot.terminal,
            "failed": snapshot.failed,
            "detail": snapshot.detail,
        },
        "queue_diagnostics": {
            "pending_reason": snapshot.reason if snapshot.state.is_waiting else "",
            "pending_reason_in_words": reason_in_words(snapshot.reason) if snapshot.state.is_waiting else "",
            "eligible_at": details.eligible_at,
            "expected_start_at": snapshot.expected_start_at,
        },
        "batch_log": None if is_array else file_facts(record.batch_log).as_json(now),
        "paths": {
            "compose_file": record.compose_file,
            "script_path": record.script_path,
            "runtime_root": record.runtime_root,
            "job_dir": record.job_dir,
            "cache_dir": record.cache_dir,
        },
        "walltime": walltime(snapshot),
        "first_failure": first_failure(snapshot),
    }


def ps_report(snapshot: JobSnapshot) -> dict[str, Any]:
    """The fields of `ps`."""
    from compose_core.tracking.queue_details import QueueDetails

    report = status_report(snapshot, QueueDetails())
    return {name: value for name, value in report.items() if name in PS_FIELDS}


PS_FIELDS = frozenset(
    {
        "schema_version",
        "job_id",
        "name",
        "state",
        "source",
        "terminal",
        "failed",
        "exit_code",
        "observed_at",
        "services",
        "array",
        "attempt",
        "attempts",
        "is_resume",
        "resume_dir",
        "log_dir",
    }
)


def snapshot_logs(snapshot: JobSnapshot) -> str:
    """The folder of the services' logs: that of the attempt that the snapshot is of."""
    paths = [service.log_path for service in snapshot.services if service.log_path]
    return paths[0].rpartition("/")[0] if paths else f"{snapshot.record.job_dir}/logs"


def walltime(snapshot: JobSnapshot) -> dict[str, Any]:
    """How much of its time the job has used; None of what is not known."""
    used: float | None = None
    if snapshot.started_at is not None:
        end = snapshot.ended_at if snapshot.ended_at is not None else snapshot.observed_at
        used = max(0.0, end - snapshot.started_at)
    limit = snapshot.time_limit_s
    left = None if limit is None or used is None or snapshot.terminal else max(0.0, limit - used)
    return {"used_s": used, "limit_s": limit, "remaining_s": left}


def first_failure(snapshot: JobSnapshot) -> dict[str, Any] | None:
    """The first failure of any service, also one that a restart made good."""
    states = [one.state for one in snapshot.services if one.state and one.state.first_failure_at is not None]
    if not states:
        return None
    state = min(states, key=lambda one: one.first_failure_at or 0.0)
    return {
        "service_name": state.service_name,
        "first_failure_at": state.first_failure_at,
        "exit_code": state.first_failure_exit_code,
        "node": state.first_failure_node,
        "rank": state.first_failure_rank,
        "failure_reason": state.failure_reason,
    }


def _service(service: ServiceSnapshot, now: float) -> dict[str, Any]:
    from compose_core.tracking.file_facts import file_facts

    state = service.state
    duration = None
    if state and state.started_at is not None:
        duration = max(0.0, (state.finished_at if state.finished_at is not None else now) - state.started_at)
    return {**service.as_json(), **file_facts(service.log_path).as_json(now), "duration_seconds": duration}
