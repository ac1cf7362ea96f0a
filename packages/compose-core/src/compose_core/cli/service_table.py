"""The table of a job's services, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.terminal_text import terminal_text
from compose_core.units import format_duration

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot

COLUMNS = ("SERVICE", "STATUS", "LIFECYCLE", "READY", "RESTARTS", "EXIT", "TIME", "NODE", "PORTS")


def print_services(output: Output, snapshot: JobSnapshot) -> None:
    """All services in launch order."""
    output.table(COLUMNS, [_row(service, snapshot.observed_at) for service in snapshot.services])


def print_assertions(output: Output, snapshot: JobSnapshot) -> None:
    """One line per service with an `assert`, and what does not hold."""
    for service in snapshot.services:
        asserts = service.state.assertions if service.state else None
        if asserts is not None:
            failures = f": {'; '.join(asserts.failures)}" if asserts.failures else ""
            output.data(terminal_text(f"assert service '{service.name}': {asserts.status}{failures}"))


def _row(service: ServiceSnapshot, now: float) -> list[str]:
    state = service.state
    if state is None:
        return [service.name, service.status, *["-"] * (len(COLUMNS) - 2)]
    ready = ("yes" if state.healthy or state.ready_at else "no") if state.readiness_configured else "-"
    exit_code = "-" if state.last_exit_code is None else str(state.last_exit_code)
    elapsed = "-"
    if state.started_at is not None:
        elapsed = format_duration(max(0.0, (state.finished_at or now) - state.started_at))
    ports = " ".join(f"{name}={number}" for name, number in state.ports.items()) or "-"
    return [
        service.name,
        service.status,
        state.lifecycle,
        ready,
        str(state.restart_count),
        exit_code,
        elapsed,
        state.host or state.nodelist or "-",
        ports,
    ]
