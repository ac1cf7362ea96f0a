"""A run as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli.log_lines import print_log_lines
from compose_core.clock import iso
from compose_core.terminal_text import terminal_text
from compose_core.units import counted, format_duration

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.insight.run_records import RunEvent
    from compose_core.insight.timeline import Frame, ServiceMoment
    from compose_core.watch.run_history import RunHistory

LOG_LINES = 10
_COLUMNS = ("SERVICE", "STATUS", "RESTARTS", "EXIT", "STARTED", "READY", "ENDED")


def print_timeline(output: Output, history: RunHistory, services: Sequence[str]) -> None:
    """Every event with its time since the first one, then how everything was at the last one."""
    timeline = history.timeline
    took = format_duration(timeline.end - timeline.begin)
    output.heading(f"job {history.record.job_id} ({history.record.name}): {iso(timeline.begin)}, {took}")
    for note in history.notes:
        output.talk(f"note: {note}")
    for event in timeline.events:
        if not services or event.service is None or event.service in services:
            output.data(_event_line(event, timeline.begin))
    output.data("")
    print_moment(output, history, services, timeline.end, lines=0)


def print_moment(
    output: Output, history: RunHistory, services: Sequence[str], at: float, *, lines: int = LOG_LINES
) -> None:
    """How the job and its services were, the figures, and with services named the end of their logs."""
    frame = history.timeline.at(at)
    begin = history.timeline.begin
    job = frame.job
    code = f", exit status {job.exit_code}" if job.exit_code is not None else ""
    attempt = f", attempt {job.attempt}" if job.attempt else ""
    output.heading(f"{_since(at, begin)}  {iso(at)}  {job.state}{code}{attempt}")
    if job.why:
        output.data(terminal_text(job.why))
    shown = [service for service in frame.services if not services or service.name in services]
    output.table(_COLUMNS, [_row(service, begin) for service in shown])
    line = history.metrics_line(at)
    if line:
        output.data(f"metrics: {terminal_text(line)}")
    if frame.fidelity != "exact":
        output.talk(f"best effort: {frame.note}")
    if services and lines:
        width = max(map(len, services)) if len(services) > 1 else 0
        print_log_lines(history.log_lines(services, at, lines), width=width, services=history.record.services)


def replay_report(
    history: RunHistory, services: Sequence[str], *, frames: int, at: float | None = None
) -> dict[str, Any]:
    """What `--format json` says; at one moment, its frame alone."""
    timeline = history.timeline
    events = timeline.events
    notes = history.notes
    if at is None and len(events) > frames:
        notes = [*notes, f"frames are {counted(frames, 'moment')} of {len(events):,}, evenly chosen"]
    found: Iterator[Frame] = timeline.frames(frames) if at is None else iter([timeline.at(at)])
    return {
        "schema_version": 1,
        "job_id": history.record.job_id,
        "record": history.record.as_json(),
        "fidelity": timeline.fidelity,
        "notes": notes,
        "artifacts": _artifacts(history),
        "timeline_start_unix": timeline.begin,
        "timeline_end_unix": timeline.end,
        "events": [_event_json(event) for event in events],
        "frames": [_frame_json(frame, history, services) for frame in found],
    }


def _artifacts(history: RunHistory) -> dict[str, list[str]]:
    runs = history.runs
    return {
        "runtime_roots": [str(run.paths.folder) for run in runs],
        "state_paths": [str(run.paths.state) for run in runs if run.files.state],
        "event_paths": [str(path) for run in runs for path in run.known_files([run.paths.events])],
        "service_exit_dirs": [str(path) for run in runs for path in run.known_files([run.paths.exits_folder])],
        "metrics_dirs": [str(path) for run in runs for path in run.known_files([run.paths.metrics])],
        "log_dirs": [str(path) for run in runs for path in run.known_files([run.paths.logs])],
    }


def _event_json(event: RunEvent) -> dict[str, Any]:
    return {
        "at_unix": event.at,
        "kind": event.kind,
        "service": event.service,
        "exit_code": event.exit_code,
        "signal": event.signal,
        "attempt": event.attempt,
        "restart_count": event.restart_count,
        "detail": event.detail,
        "inferred": event.is_inferred,
    }


def _frame_json(frame: Frame, history: RunHistory, services: Sequence[str]) -> dict[str, Any]:
    job = frame.job
    return {
        "cursor_unix": frame.at,
        "event_index": frame.index if frame.index >= 0 else None,
        "event": _event_json(frame.event) if frame.event else None,
        "job_status": job.state,
        "job_exit_code": job.exit_code,
        "attempt": job.attempt,
        "why": job.why,
        "services": [_service_json(service) for service in frame.services if not services or service.name in services],
        "metrics_line": history.metrics_line(frame.at),
        "fidelity": frame.fidelity,
        "fidelity_note": frame.note,
    }


def _service_json(service: ServiceMoment) -> dict[str, Any]:
    return {
        "service_name": service.name,
        "status": service.status,
        "started_at": service.started_at,
        "ready_at": service.ready_at,
        "finished_at": service.finished_at,
        "last_exit_code": service.last_exit_code,
        "last_signal": service.last_signal,
        "restart_count": service.restart_count,
        "launcher_pid": service.pid,
        "stopping": service.is_stopping,
        "inferred": service.is_inferred,
    }


def _event_line(event: RunEvent, begin: float) -> str:
    """`+0:01:05.123  web  exited  exit code 1`."""
    parts = [event.detail] if event.detail else []
    if event.signal is not None and event.kind == "exited":
        parts.insert(0, f"signal {event.signal}")
    elif event.exit_code is not None:
        parts.insert(0, f"exit code {event.exit_code}")
    elif event.signal is not None:
        parts.insert(0, f"signal {event.signal}")
    if event.restart_count is not None:
        parts.insert(0, f"restart {event.restart_count}")
    if event.pid:
        parts.insert(0, f"pid {event.pid}")
    if event.kind == "job_started" and event.attempt is not None:
        parts.insert(0, f"attempt {event.attempt}")
    if event.kind == "finished" and event.status:
        parts.insert(0, event.status)
    told = terminal_text(", ".join(parts))
    guess = click.style("  (inferred)", dim=True) if event.is_inferred else ""
    who = terminal_text(event.service or "job")
    return f"{_since(event.at, begin):>14}  {who:<16} {terminal_text(event.kind):<17} {told}".rstrip() + guess


def _since(at: float, begin: float) -> str:
    """`+1:02:03.456`."""
    thousandths = round((at - begin) * 1000)
    sign = "-" if thousandths < 0 else "+"
    seconds, thousandth = divmod(abs(thousandths), 1000)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandth:03d}"


def _row(service: ServiceMoment, begin: float) -> list[str]:
    times = (service.started_at, service.ready_at, service.finished_at)
    return [
        service.name,
        f"{service.status}{' (stopping)' if service.is_stopping else ''}",
        str(service.restart_count),
        "-" if service.last_exit_code is None else str(service.last_exit_code),
        *("-" if at is None else _since(at, begin) for at in times),
    ]
