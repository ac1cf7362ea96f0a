"""What one attempt of a job left behind, and the events that follow from it: those that were written down, else inferred ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from compose_core.records.end_marker import EndMarker
from compose_core.records.events import Event
from compose_core.records.exits import ServiceExit
from compose_core.records.state import ServiceState, StateFile
from compose_core.units import format_duration

EVENTS_KEPT = 200_000
"""Of one attempt; the earliest are left out first."""
LATEST_S = 32_503_680_000.0
"""The year 3000: a later time is none."""
_SAME_S = 2.0
"""An exit is written twice, within the time that a slow file server takes."""
_DETAIL_LENGTH = 300
_ORDER = {"claimed": 0, "job_started": 1, "resumed": 2, "ends": 6, "last_seen": 8, "finished": 9}
"""What happens at the same moment, in the order in which it can."""
_OTHERS = 4


class RunEvent(NamedTuple):
    """One thing that happened in a run."""

    at: float
    """Epoch seconds."""
    kind: str
    """A word of `events.jsonl`; `ends`: why the job ends, from `end.json`; `last_seen`: the last word of one that did not finish."""
    service: str | None = None
    attempt: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    restart_count: int | None = None
    pid: int | None = None
    status: str | None = None
    """How the service is after it, where another record tells; of `finished`, how the job is."""
    detail: str = ""
    is_inferred: bool = False
    """Its time, or that it happened at all, was not written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecords:
    """The files of one attempt, or of a job whose attempts share one folder."""

    number: int | None = None
    events: Iterable[Event] = ()
    exits: Mapping[str, Sequence[ServiceExit]] = field(default_factory=dict)
    """By service."""
    state: StateFile | None = None
    end: EndMarker | None = None
    faults: Sequence[str] = ()
    """What could not be read, and why; may grow while the events are read."""


@dataclass(slots=True)
class AttemptEvents:
    """The events of one attempt in order."""

    events: list[RunEvent]
    is_exact: bool
    """They are those that the job wrote down while it ran."""
    notes: list[str]


def attempt_events(records: AttemptRecords) -> AttemptEvents:
    """What happened, from `events.jsonl` where there is one; what it lacks is taken from the exits, the state, the end marker."""
    written, left_out = _written(records)
    notes = list(records.faults)
    if left_out:
        notes.append(f"the first {left_out:,} events are left out")
    is_exact = bool(written)
    if is_exact:
        missing = _missing_exits(written, records, since=written[0].at if left_out else 0.0)
        if missing:
            notes.append(f"{len(missing)} exits stand in service-exits alone")
        events = [*written, *missing]
    else:
        events = [*_inferred(records)]
        if events:
            notes.append("there is no events.jsonl: starts and restarts are inferred from state.json and service-exits")
    events += _from_end_marker(records, events)
    events += _last_word(records, events)
    events.sort(key=lambda event: (event.at, _ORDER.get(event.kind, _OTHERS)))
    return AttemptEvents(_with_last_statuses(events, records.state), is_exact, notes)


def is_time(value: float | None) -> bool:
    """It can be a time of a job."""
    return value is not None and 0 < value < LATEST_S


def _written(records: AttemptRecords) -> tuple[list[RunEvent], int]:
    """The events of the file, and how many earlier ones are left out; a clock that was set back does not change their order."""
    kept: deque[RunEvent] = deque(maxlen=EVENTS_KEPT)
    count, latest = 0, 0.0
    attempt = records.number
    for event in records.events:
        if is_time(event.at):
            latest = max(latest, event.at)
            number = event.fields.get("attempt")
            if event.event == "job_started" and type(number) is int:
                attempt = number
            kept.append(_run_event(event, latest, attempt))
            count += 1
    return list(kept), count - len(kept)


def _run_event(event: Event, at: float, attempt: int | None) -> RunEvent:
    fields = event.fields
    word = fields.get("job_status") if event.event == "finished" else None
    return RunEvent(
        at,
        event.event[:_DETAIL_LENGTH],
        event.service,
        attempt,
        _whole(fields.get("exit_code")),
        _whole(fields.get("signal")),
        _whole(fields.get("restart_count")),
        _whole(fields.get("pid")),
        word if isinstance(word, str) else None,
        _detail(fields),
        event.at != at,
    )


def _detail(fields: Mapping[str, Any]) -> str:
    """Everything that the line adds, in short."""
    parts = []
    for key, value in fields.items():
        if key in _PLAIN or value is None or value is False or value in ("", []):
            continue
        if key == "seconds" and isinstance(value, int | float):
            parts.append(f"for {format_duration(value)}")
        elif isinstance(value, list):
            parts.append(f"{key} " + ", ".join(str(item) for item in value[:8]))
        else:
            parts.append(str(value) if key in _SENTENCES else f"{key} {value}")
    return "; ".join(parts)[:_DETAIL_LENGTH]


_PLAIN = frozenset(
    {"at", "event", "service", "attempt", "exit_code", "signal", "restart_count", "pid", "token", "job_status"}
)
_SENTENCES = frozenset({"message", "cause"})


def _whole(value: Any) -> int | None:
    return value if type(value) is int and -(2**63) < value < 2**63 else None


def _missing_exits(written: Sequence[RunEvent], records: AttemptRecords, *, since: float) -> list[RunEvent]:
    """Exits that no event tells of: the file system took one line and not the other."""
    told: dict[str, deque[float]] = {}
    for event in written:
        if event.kind == "exited" and event.service is not None:
            told.setdefault(event.service, deque()).append(event.at)
    missing = []
    for service, exits in records.exits.items():
        times = told.get(service, deque())
        for one in exits:
            while times and times[0] < one.at - _SAME_S:
                times.popleft()
            if times and times[0] <= one.at + _SAME_S:
                times.popleft()
            elif is_time(one.at) and one.at >= since:
                missing.append(_exit_event(service, one, records.number))
    return missing


def _exit_event(service: str, one: ServiceExit, number: int | None) -> RunEvent:
    attempt = one.attempt if one.attempt is not None else number
    return RunEvent(one.at, "exited", service, attempt, one.exit_code, one.signal)


def _inferred(records: AttemptRecords) -> Iterator[RunEvent]:
    """What must have happened, of a run whose events were not written down."""
    state = records.state
    number = state.attempt if state and state.attempt is not None else records.number
    begin = state.started_at if state and is_time(state.started_at) else None
    if begin is not None:
        yield RunEvent(begin, "job_started", attempt=number)
    known = {service.service_name: service for service in state.services} if state else {}
    for name in {**known, **records.exits}:
        exits = [one for one in records.exits.get(name, ()) if is_time(one.at)]
        yield from _service_events(name, known.get(name), exits, begin, number)
    if state and state.is_terminal and is_time(state.finished_at):
        assert state.finished_at is not None
        yield RunEvent(
            state.finished_at,
            "finished",
            attempt=number,
            exit_code=state.job_exit_code,
            status=state.job_status,
            detail=state.cause or "",
        )


def _service_events(
    name: str, state: ServiceState | None, exits: Sequence[ServiceExit], begin: float | None, number: int | None
) -> Iterator[RunEvent]:
    """Starts, exits and restarts of one service: the state knows the last start, the exits all ends."""
    started = state.started_at if state and is_time(state.started_at) else None
    finished = state.finished_at if state and is_time(state.finished_at) else None
    before = [one for one in exits if started is None or one.at < started]
    for position, one in enumerate(before):
        if position == 0 and begin is not None:
            yield RunEvent(min(begin, one.at), "started", name, number, is_inferred=True)
        elif position:
            yield RunEvent(before[position - 1].at, "restarted", name, number, restart_count=position, is_inferred=True)
        yield _exit_event(name, one, number)
    if state is None or started is None:
        return
    kind = "restarted" if before else "started"
    count = state.restart_count if before else None
    yield RunEvent(started, kind, name, number, restart_count=count, pid=state.launcher_pid or None)
    if is_time(state.ready_at) and state.ready_at is not None and state.ready_at >= started:
        yield RunEvent(state.ready_at, "ready", name, number)
    after = [one for one in exits if one.at >= started]
    for one in after:
        yield _exit_event(name, one, number)
    if not after and finished is not None and finished >= started:
        yield RunEvent(finished, "exited", name, number, state.last_exit_code, state.last_signal, is_inferred=True)


def _from_end_marker(records: AttemptRecords, events: Sequence[RunEvent]) -> list[RunEvent]:
    end = records.end
    if end is None or not is_time(end.at):
        return []
    begin = max((event.at for event in events if event.kind == "job_started"), default=0.0)
    if end.at < begin:
        return []  # of an earlier attempt in the same folder
    attempt = next((event.attempt for event in reversed(events) if event.attempt is not None), records.number)
    detail = f"{end.cause}: {end.message}" if end.message else str(end.cause)
    return [RunEvent(end.at, "ends", end.service, attempt, end.exit_code, end.signal, detail=detail[:_DETAIL_LENGTH])]


def _last_word(records: AttemptRecords, events: Sequence[RunEvent]) -> list[RunEvent]:
    """When the supervisor was last heard of, of a run that did not finish."""
    state = records.state
    at = max((at for at in (state.updated_at, state.heartbeat_at) if is_time(at) and at), default=0.0) if state else 0.0
    began = max((event.at for event in events if event.kind == "job_started"), default=0.0)
    is_finished = any(event.kind == "finished" and event.at >= began for event in events)
    if state is None or is_finished or at < max((event.at for event in events), default=0.0) - _SAME_S or not at:
        return []
    last = max((event.at for event in events), default=0.0)
    detail = f"state.json says {state.job_status}"
    return [RunEvent(max(at, last), "last_seen", attempt=state.attempt, status=state.job_status, detail=detail)]


def _with_last_statuses(events: list[RunEvent], state: StateFile | None) -> list[RunEvent]:
    """How a service is after its last exit stands in the state of a run that is over."""
    if state is None:
        return events
    final = {service.service_name: service.status for service in state.services if service.launcher_pid == 0}
    for position in range(len(events) - 1, -1, -1):
        event = events[position]
        if event.kind == "job_started" or not final:
            break
        if event.service in final and event.kind in _OF_PROCESS:
            status = final.pop(event.service)
            if event.kind == "exited" and status in ("exited", "failed", "stopped"):
                events[position] = event._replace(status=status)
    return events


_OF_PROCESS = frozenset({"started", "restarted", "exited", "backoff", "gave_up", "window_exhausted", "ready"})
