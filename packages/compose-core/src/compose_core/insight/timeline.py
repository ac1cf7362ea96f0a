"""How a job and its services were at any moment of a run: events folded to states, in time that grows with their number alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from compose_core.insight.run_records import AttemptRecords, RunEvent, attempt_events, is_time
from compose_core.records.state import ServiceState

Fidelity = Literal["exact", "best-effort"]
_APART = 256
"""Events between two moments whose states are kept: a look at any other one folds at most so many."""


class ServiceMoment(NamedTuple):
    """A service at one moment."""

    name: str
    status: str = "waiting"
    started_at: float | None = None
    ready_at: float | None = None
    finished_at: float | None = None
    restart_count: int = 0
    last_exit_code: int | None = None
    last_signal: int | None = None
    pid: int = 0
    """0: no process."""
    is_stopping: bool = False
    """It was told to stop."""
    is_inferred: bool = False
    """Something of this was not written down."""


class JobMoment(NamedTuple):
    """The job at one moment."""

    state: str = "PENDING"
    attempt: int | None = None
    started_at: float | None = None
    exit_code: int | None = None
    why: str = ""
    """Why it ends, once that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything at one moment."""

    at: float
    index: int
    """Of the latest event; -1 before the first one."""
    event: RunEvent | None
    job: JobMoment
    services: tuple[ServiceMoment, ...]
    fidelity: Fidelity
    note: str = ""
    """What of it is inferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What the events of one attempt rest on."""

    is_exact: bool
    settings: dict[str, ServiceState]
    """What is known of each service at the end: how it is set up, and how it ended."""


class _Moment(NamedTuple):
    job: JobMoment
    services: tuple[ServiceMoment, ...]


class Timeline:
    """The events of a run in order, and how everything was at each."""

    def __init__(self, attempts: Iterable[AttemptRecords], services: Sequence[str]) -> None:
        """Of attempts in their order; `services` in launch order."""
        self.events: list[RunEvent] = []
        self.notes: list[str] = []
        self._parts: list[_Part] = []
        self._firsts: list[int] = []
        self.begins: list[float | None] = []
        """When each of the attempts began; None: nothing is known of it."""
        self._names = tuple(services)
        for records in attempts:
            self._add(records)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._times = [event.at for event in self.events]
        self._kept = [_Moment(JobMoment(), tuple(ServiceMoment(name) for name in self._names))]
        moment = self._kept[0]
        for index in range(len(self.events)):
            moment = self._after(moment, index)
            if (index + 1) % _APART == 0:
                self._kept.append(moment)

    @property
    def begin(self) -> float:
        """The time of the first event; 0 when there is none."""
        return self._times[0] if self._times else 0.0

    @property
    def end(self) -> float:
        """The time of the last event."""
        return self._times[-1] if self._times else 0.0

    @property
    def fidelity(self) -> Fidelity:
        """Of the whole run."""
        is_exact = all(part.is_exact for part in self._parts) and not any(event.is_inferred for event in self.events)
        return "exact" if is_exact and self.events else "best-effort"

    def at(self, at: float) -> Frame:
        """How everything was at this moment."""
        return self._frame(bisect_right(self._times, at) - 1, at)

    def frame(self, index: int) -> Frame:
        """How everything was right after this event."""
        return self._frame(index, self._times[index])

    def frames(self, most: int) -> Iterator[Frame]:
        """One frame for each event; of more than `most` events evenly chosen ones, the first and the last among them."""
        count = len(self.events)
        chosen = range(count) if count <= most else _spread(count, most)
        wanted = iter(chosen)
        next_one = next(wanted, None)
        moment = self._kept[0]
        for index in range(count):
            if next_one is None:
                return
            moment = self._after(moment, index)
            if index == next_one:
                yield self._shown(moment, index, self._times[index])
                next_one = next(wanted, None)

    def _add(self, records: AttemptRecords) -> None:
        found = attempt_events(records)
        states = records.state.services if records.state else ()
        label = f"attempt {records.number}: " if records.number is not None else ""
        self.notes += [label + note for note in found.notes]
        known = set(self._names)
        further = [state.service_name for state in states if state.service_name not in known]
        self._names = tuple(dict.fromkeys((*self._names, *further)))
        if not found.events:
            self.begins.append(None)
        else:
            latest = self.events[-1].at if self.events else 0.0
            settings = {state.service_name: state for state in states}
            self._firsts.append(len(self.events))
            self._parts.append(_Part(is_exact=found.is_exact, settings=settings))
            self.events += [  # attempts follow each other, whatever their hosts' clocks say
                event if event.at >= latest else event._replace(at=latest, is_inferred=True) for event in found.events
            ]
            self.begins.append(self.events[self._firsts[-1]].at)

    def _part_of(self, index: int) -> _Part:
        return self._parts[bisect_right(self._firsts, index) - 1]

    def _is_first(self, index: int) -> bool:
        return self._firsts[bisect_right(self._firsts, index) - 1] == index

    def _frame(self, index: int, at: float) -> Frame:
        kept = (index + 1) // _APART
        moment = self._kept[kept]
        for position in range(kept * _APART, index + 1):
            moment = self._after(moment, position)
        return self._shown(moment, index, at)

    def _shown(self, moment: _Moment, index: int, at: float) -> Frame:
        is_exact = index < 0 or self._part_of(index).is_exact
        inferred = [service.name for service in moment.services if service.is_inferred]
        note = f"inferred: {', '.join(inferred[:8])}{' …' if len(inferred) > 8 else ''}" if inferred else ""
        if not is_exact and not note:
            note = "from state.json and service-exits"
        return Frame(
            at=at,
            index=index,
            event=self.events[index] if index >= 0 else None,
            job=moment.job,
            services=moment.services,
            fidelity="exact" if is_exact and not inferred else "best-effort",
            note=note,
        )

    def _after(self, moment: _Moment, index: int) -> _Moment:
        """The moment right after this event, given the one before it."""
        event, part = self.events[index], self._part_of(index)
        job = _job_after(moment.job, event)
        services = moment.services
        if event.kind == "job_started" or (event.kind != "claimed" and self._is_first(index)):
            services = tuple(ServiceMoment(name) for name in self._names)
        place = self._places.get(event.service) if event.service is not None else None
        if place is not None:
            assert event.service is not None
            changed = _service_after(services[place], event, part.settings.get(event.service))
            services = (*services[:place], changed, *services[place + 1 :])
        if event.kind in ("finished", "last_seen"):
            is_last = index + 1 == len(self.events) or self._part_of(index + 1) is not part
            settings = part.settings if is_last else {}
            services = tuple(
                _at_the_end(service, settings.get(service.name), is_over=event.kind == "finished")
                for service in services
            )
        return _Moment(job, services)


def _spread(count: int, most: int) -> list[int]:
    """`most` of `count` places, evenly, with the first and the last one."""
    if most <= 1:
        return [count - 1] * most
    return [place * (count - 1) // (most - 1) for place in range(most)]


def _job_after(job: JobMoment, event: RunEvent) -> JobMoment:
    match event.kind:
        case "claimed":
            return job._replace(state="RUNNING")
        case "job_started":
            return JobMoment("RUNNING", event.attempt, event.at)
        case "ends":
            return job._replace(why=event.detail)
        case "finished":
            return job._replace(state=event.status or "UNKNOWN", exit_code=event.exit_code, why=job.why or event.detail)
    return job if job.state != "PENDING" else job._replace(state="RUNNING", attempt=event.attempt)


def _service_after(service: ServiceMoment, event: RunEvent, setting: ServiceState | None) -> ServiceMoment:
    inferred = service.is_inferred or event.is_inferred
    match event.kind:
        case "started" | "restarted":
            waits = setting is not None and setting.readiness_configured
            count = service.restart_count if event.restart_count is None else event.restart_count
            return ServiceMoment(
                service.name,
                "starting" if waits else "running",
                event.at,
                restart_count=count,
                last_exit_code=service.last_exit_code,
                last_signal=service.last_signal,
                pid=event.pid or 0,
                is_inferred=event.is_inferred,
            )
        case "ready":
            return service._replace(status="ready", ready_at=event.at)
        case "readiness_failed":
            mode = setting.failure_policy_mode if setting else "fail_job"
            status = {"ignore": "running", "restart_on_failure": service.status}.get(mode, "failed")
            return service._replace(status=status)
        case "stopping":
            return service._replace(is_stopping=True)
        case "exited":
            return service._replace(
                status=event.status or _status_after_exit(service, event, setting),
                finished_at=event.at,
                last_exit_code=event.exit_code,
                last_signal=event.signal,
                pid=0,
                is_stopping=False,
                is_inferred=inferred,
            )
        case "backoff":
            return service._replace(status="backoff", restart_count=event.restart_count or service.restart_count)
        case "gave_up" | "window_exhausted":
            return service._replace(status="failed")
    return service


def _status_after_exit(service: ServiceMoment, event: RunEvent, setting: ServiceState | None) -> str:
    """Where nothing else tells: what the supervisor would make of it."""
    expected = setting.assertions.expected_exit_code if setting and setting.assertions else None
    if event.exit_code in (0, expected if expected is not None else 0):
        return "exited"
    if service.status == "failed":
        return "failed"
    if service.is_stopping:
        return "stopped"
    return "exited" if setting and setting.failure_policy_mode == "ignore" else "failed"


def _at_the_end(service: ServiceMoment, state: ServiceState | None, *, is_over: bool) -> ServiceMoment:
    """As the last state tells it; where none does, what did not end by itself was stopped, or never started."""
    if state is None:
        ended = {"waiting": "skipped", "starting": "stopped", "running": "stopped", "ready": "stopped"}
        ended["backoff"] = "stopped"
        return service._replace(status=ended.get(service.status, service.status), pid=0) if is_over else service
    return ServiceMoment(
        service.name,
        state.status,
        started_at=_time(state.started_at),
        ready_at=_time(state.ready_at),
        finished_at=_time(state.finished_at),
        restart_count=state.restart_count,
        last_exit_code=state.last_exit_code,
        last_signal=state.last_signal,
        pid=state.launcher_pid,
    )


def _time(at: float | None) -> float | None:
    return at if is_time(at) else None
