"""A snapshot of a job as the view shows it."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.records.state import ServiceState
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot
from compose_core.tracking.state_text import state_text
from compose_core.watch.model import JobView, ServiceView, TaskView


def job_view(snapshot: JobSnapshot, *, trouble: str = "") -> JobView:
    """Everything that the view needs of the snapshot; `trouble` is why the scheduler does not answer."""
    return JobView(
        job_id=snapshot.job_id,
        name=snapshot.record.name,
        engine=snapshot.record.backend,
        state=state_text(snapshot),
        source=snapshot.source,
        terminal=snapshot.terminal,
        failed=snapshot.failed,
        stale=snapshot.stale,
        attempt=snapshot.attempt or None,
        nodes=snapshot.nodelist,
        started_at=snapshot.started_at,
        ended_at=snapshot.ended_at,
        limit_s=snapshot.time_limit_s,
        notes=tuple(dict.fromkeys(_notes(snapshot, trouble))),
        services=_services(snapshot),
        tasks=tuple(_task(task) for task in snapshot.tasks),
    )


def _task(snapshot: JobSnapshot) -> TaskView:
    return TaskView(
        number=str(snapshot.record.array_task_id),
        state=state_text(snapshot),
        failed=snapshot.failed,
        terminal=snapshot.terminal,
        started_at=snapshot.started_at,
        ended_at=snapshot.ended_at,
        exit_code=snapshot.exit_code,
        note=next(_notes(snapshot, ""), ""),
        services=_services(snapshot),
    )


def _notes(snapshot: JobSnapshot, trouble: str) -> Iterator[str]:
    if snapshot.reason not in ("", "None"):
        yield f"{'waits' if snapshot.state.is_waiting else 'reason'}: {snapshot.reason}"
    is_plain = snapshot.source == "state" and not snapshot.stale and not trouble
    if snapshot.detail and not is_plain:  # a job that is heard says enough by its state
        yield snapshot.detail
    if trouble and trouble not in snapshot.detail:
        yield f"the scheduler does not answer: {trouble}"
    if snapshot.terminal:
        for service in snapshot.services:
            if service.state and service.state.failure_reason:
                yield f"{service.name}: {service.state.failure_reason}"
    yield from snapshot.warnings


def _services(snapshot: JobSnapshot) -> tuple[ServiceView, ...]:
    has_steps = snapshot.record.backend == "slurm"
    return tuple(_service(service, has_steps=has_steps) for service in snapshot.services)


def _service(service: ServiceSnapshot, *, has_steps: bool) -> ServiceView:
    state = service.state
    if state is None:
        return ServiceView(name=service.name, status=service.status)
    ready = bool(state.healthy or state.ready_at) if state.readiness_configured else None
    return ServiceView(
        name=service.name,
        status=service.status,
        step=(state.step_id or state.step_name) if has_steps else "",
        pid=state.launcher_pid if service.alive else 0,
        ready=ready,
        restarts=state.restart_count,
        exit_code=state.last_exit_code,
        details=tuple(_details(state)),
    )


def _details(state: ServiceState) -> Iterator[str]:
    if state.failure_reason:
        yield f"failed: {state.failure_reason}"
    if state.failure_policy_mode == "restart_on_failure":
        window = (
            f", {state.restart_failures_in_window or 0} of {state.max_restarts_in_window} in {state.window_seconds:g} s"
        )
        known = state.max_restarts_in_window is not None and state.window_seconds is not None
        yield f"restart_on_failure: {state.restart_count} of {state.max_restarts} restarts{window if known else ''}"
    elif state.failure_policy_mode != "fail_job":
        yield f"failure policy: {state.failure_policy_mode}"
    if state.lifecycle == "sidecar":
        yield "sidecar: its end is no failure"
    place = state.host or state.nodelist
    ports = ", ".join(f"{name} {number}" for name, number in state.ports.items())
    if place or ports:
        yield "; ".join(filter(None, (f"on {place}" if place else "", f"ports {ports}" if ports else "")))
    if state.assertions:
        failures = f": {'; '.join(state.assertions.failures)}" if state.assertions.failures else ""
        yield f"assert: {state.assertions.status}{failures}"
