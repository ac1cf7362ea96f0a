"""What is known of a job, decided from all evidence at once: a pure function of files, scheduler answers and time."""

from __future__ import annotations

from compose_core.cluster.engine import JobRow
from compose_core.job_state import JobState
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord
from compose_core.records.state import ServiceState, StateFile
from compose_core.tracking.evidence import Evidence
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot
from compose_core.tracking.verdict import Verdict, verdict_of

_LIVE_SERVICES = frozenset({"starting", "running", "ready", "backoff", "waiting"})
_UNMET_DEPENDENCY = frozenset({"DependencyNeverSatisfied", "Dependency"})
"""Seen with 22.05 and --kill-on-invalid-dep=yes."""


def decide(evidence: Evidence) -> JobSnapshot:
    """The job's status, from the first evidence that says something.

    In this order: its own last word, the queue, the accounting, its heartbeat, what was known before. Absence is never
    success, silence never an end.
    """
    verdict = verdict_of(evidence)
    files, record, row = evidence.files, evidence.record, verdict.row
    state, end = files.state, files.end
    again = verdict.is_next_attempt or verdict.state.is_waiting
    ended = None if again else end
    return JobSnapshot(
        record=record,
        state=verdict.state,
        last_known_state=verdict.last_known,
        source=verdict.source,
        terminal=verdict.terminal,
        exit_code=_exit_code(verdict, state, end),
        signal=(ended.signal if ended else None) or (row.signal if row else None),
        cause=(ended.cause if ended else None) or (state.cause if state and not again else None),
        reason=row.reason if row else "",
        detail=verdict.detail or _why_never_started(verdict),
        observed_at=_known_at(evidence, verdict),
        stale=verdict.stale,
        submitted_at=record.submitted_at,
        started_at=_first(None if again or state is None else state.started_at, _row_start(row)),
        ended_at=_first(
            state.finished_at if state and state.is_terminal and not again else None,
            row.ended_at if row and verdict.terminal else None,
            end.at if end and verdict.terminal and not again else None,
        ),
        expected_start_at=row.started_at if row and row.state.is_waiting else None,
        heartbeat_at=state.heartbeat_at if state else None,
        attempt=state.attempt if state else None,
        is_resume=state.is_resume if state else None,
        time_limit_s=_time_limit(record, row),
        nodelist=row.nodelist if row else "",
        services=_services(evidence, verdict),
        warnings=files.faults,
    )


def _known_at(evidence: Evidence, verdict: Verdict) -> float:
    """Now, as far as it is the job's own word; what the scheduler says was so when it was asked."""
    asked = evidence.accounting if verdict.row and verdict.row.source == "sacct" else evidence.queue
    return evidence.now if verdict.source == "state" or asked is None else asked.at(evidence.now)


def _why_never_started(verdict: Verdict) -> str:
    """The scheduler's reason for a job that it cancelled by itself, in words."""
    row = verdict.row
    if verdict.state is not JobState.CANCELLED or row is None or row.reason not in _UNMET_DEPENDENCY:
        return ""
    return "a job that it waited for ended otherwise than asked, so its dependency can never be met"


def _exit_code(verdict: Verdict, state: StateFile | None, end: EndMarker | None) -> int | None:
    if state and state.is_terminal and verdict.source == "state":
        return state.job_exit_code
    if end and verdict.source == "state":
        return end.exit_code
    return verdict.row.exit_code if verdict.row and verdict.terminal else None


def _row_start(row: JobRow | None) -> float | None:
    return row.started_at if row and not row.state.is_waiting else None


def _time_limit(record: JobRecord, row: JobRow | None) -> int | None:
    if row and row.time_limit_s is not None:
        return row.time_limit_s
    return record.requested_walltime.seconds if record.requested_walltime else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _services(evidence: Evidence, verdict: Verdict) -> tuple[ServiceSnapshot, ...]:
    paths, state = evidence.files.paths, evidence.files.state
    if state is None:
        status = "waiting" if verdict.state.is_waiting else "unknown"
        return tuple(
            ServiceSnapshot(name=name, status=status, log_path=str(paths.log(name)))
            for name in evidence.record.services
        )
    is_heard = evidence.fresh and not verdict.terminal  # a supervisor that was killed leaves a young heartbeat behind
    return tuple(_service(evidence, service, is_heard=is_heard) for service in state.services)


def _service(evidence: Evidence, service: ServiceState, *, is_heard: bool) -> ServiceSnapshot:
    log_path = str(evidence.files.paths.log(service.service_name))
    if service.status in _LIVE_SERVICES and not is_heard:
        return ServiceSnapshot(name=service.service_name, status="unknown", log_path=log_path, state=service)
    alive = is_heard and service.launcher_pid > 0 and service.status in _LIVE_SERVICES
    return ServiceSnapshot(
        name=service.service_name, status=service.status, alive=alive, log_path=log_path, state=service
    )
