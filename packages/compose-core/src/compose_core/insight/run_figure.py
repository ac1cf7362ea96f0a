"""The course of one run as data to draw: panels with lines over time, and what the services did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from compose_core.insight.gpu_samples import GpuUsage
from compose_core.insight.samples import Samples
from compose_core.insight.series import Point, squeezed
from compose_core.insight.usage import JobUsage
from compose_core.records.events import Event

PanelKey = Literal["cpu", "node_cpu", "memory", "node_memory", "gpu", "gpu_memory", "power"]
GIB = 1024.0**3
LINES = 24
"""More devices are drawn as their highest, their mean and their lowest."""
_GRID = 240
_ENDS = frozenset({"exited", "finished"})
_BEGINS = frozenset({"started", "restarted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure over time."""

    name: str
    at: tuple[float, ...]
    """Epoch seconds."""
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines that share a unit."""

    key: PanelKey
    title: str
    unit: str
    lines: tuple[Line, ...]
    limit: float | None = None
    """What was allocated, or the most there can be; None where there is no such thing."""
    limit_name: str = ""

    @property
    def limit_text(self) -> str:
        """`300 MiB`, `1.5 GiB`; empty without a limit."""
        if self.limit is None:
            return ""
        return f"{self.limit:,.0f} {self.unit}" if self.limit >= 100 else f"{self.limit:.3g} {self.unit}"

    @property
    def top(self) -> float:
        """The highest value."""
        return max((value for line in self.lines for value in line.values), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpan:
    """One run of a service, from a start to its end."""

    service: str
    begin: float
    end: float | None
    """None: it goes on, or its end was not seen."""
    ready_at: float | None = None
    exit_code: int | None = None
    is_restart: bool = False

    @property
    def failed(self) -> bool:
        """It ended, and not with 0."""
        return self.end is not None and self.exit_code not in (0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened: started, ready, restarted, exited, finished …"""

    at: float
    event: str
    service: str
    """Empty: of the job."""
    text: str

    @property
    def row(self) -> str:
        """Where it is drawn."""
        return self.service or "(job)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigure:
    """One run."""

    title: str
    begin: float
    end: float
    panels: tuple[Panel, ...]
    spans: tuple[ServiceSpan, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """The services in the order of their starts, and the job itself where something is known of it."""
        marked = [mark.row for mark in self.marks if not mark.service]
        return tuple(dict.fromkeys([*(span.service for span in self.spans), *marked]))


def run_figure(
    usage: JobUsage, events: Sequence[Event], *, title: str, begin: float | None, end: float | None
) -> RunFigure | None:
    """What there is to draw; None when nothing was sampled."""
    panels = tuple(panels_of(usage))
    if not panels:
        return None
    times = [at for panel in panels for line in panel.lines for at in (line.at[0], line.at[-1])]
    first = min([*times, *([begin] if begin is not None else [])])
    last = max([*times, *([end] if end is not None else [])])
    marks = tuple(mark for mark in _marks(events) if first - 60 <= mark.at <= last + 60)
    return RunFigure(
        title=title, begin=first, end=max(last, first + 1), panels=panels, spans=tuple(_spans(events)), marks=marks
    )


def panels_of(usage: JobUsage) -> list[Panel]:
    """CPU, memory, GPUs, power, as far as they were sampled."""
    samples = usage.samples
    if samples is None:
        return []
    found = [
        _steps_cpu(usage, samples),
        Panel(
            key="node_cpu",
            title="CPUs of the nodes",
            unit="%",
            lines=_each((node.node, node.cpu) for node in samples.nodes),
            limit=100.0,
        ),
        _memory(usage, samples),
        _node_memory(samples),
        _of_gpus(samples, "gpu", "GPU utilization", "%", lambda gpu: gpu.utilization, limit=100.0),
        _of_gpus(
            samples,
            "gpu_memory",
            "GPU memory",
            "GiB",
            lambda gpu: _scaled(gpu.memory, 1 / 1024),
            limit=_same([gpu.memory_total_mib for gpu in samples.gpus], 1 / 1024),
            limit_name="of one GPU",
        ),
        _of_gpus(
            samples,
            "power",
            "GPU power",
            "W",
            lambda gpu: gpu.power,
            limit=_same([gpu.power_limit_w for gpu in samples.gpus], 1.0),
            limit_name="power limit",
        ),
    ]
    return [panel for panel in found if panel.lines]


def _steps_cpu(usage: JobUsage, samples: Samples) -> Panel:
    allocated = usage.cpu.allocated
    return Panel(
        key="cpu",
        title="CPUs kept busy",
        unit="CPUs",
        lines=_each([("all steps", samples.step_cpu)]),
        limit=float(allocated) if allocated else None,
        limit_name="allocated" if usage.has_accounting else "requested",
    )


def _memory(usage: JobUsage, samples: Samples) -> Panel:
    given = usage.memory.allocated_bytes or usage.memory.requested_bytes
    limit = given * (usage.nodes or 1) if given else None
    unit, size = _unit_of(max([samples.step_memory_peak or 0.0, limit or 0.0]))
    return Panel(
        key="memory",
        title="Memory of the steps",
        unit=unit,
        lines=_each([("all steps", _scaled(samples.step_memory, 1 / size))]),
        limit=limit / size if limit else None,
        limit_name="allocated" if usage.memory.allocated_bytes else "requested",
    )


def _node_memory(samples: Samples) -> Panel:
    unit, size = _unit_of(max((node.memory_total_bytes or 0.0 for node in samples.nodes), default=0.0))
    return Panel(
        key="node_memory",
        title="Memory of the nodes",
        unit=unit,
        lines=_each((node.node, _scaled(node.memory, 1 / size)) for node in samples.nodes),
        limit=_same([node.memory_total_bytes for node in samples.nodes], 1 / size),
        limit_name="there is",
    )


def _unit_of(most: float) -> tuple[str, float]:
    """A unit in which a person reads the figure at once, and its bytes."""
    return ("GiB", GIB) if most >= 10 * GIB else ("MiB", GIB / 1024)


def _of_gpus(
    samples: Samples,
    key: PanelKey,
    title: str,
    unit: str,
    points: Callable[[GpuUsage], tuple[Point, ...]],
    *,
    limit: float | None = None,
    limit_name: str = "",
) -> Panel:
    lines = _each((gpu.label, points(gpu)) for gpu in samples.gpus)
    shown = lines if len(lines) <= LINES else condensed(lines)
    if len(lines) > LINES:
        title = f"{title} of {len(lines)} devices"
    return Panel(key=key, title=title, unit=unit, lines=shown, limit=limit, limit_name=limit_name)


def condensed(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The highest, the mean and the lowest of many lines, at the same moments."""
    begin = min(line.at[0] for line in lines)
    end = max(line.at[-1] for line in lines)
    step = max(end - begin, 1.0) / _GRID
    rows = [
        squeezed(
            tuple(Point(at=at, mean=value, highest=value) for at, value in zip(line.at, line.values)),
            _GRID,
            begin=begin,
            end=end,
        )
        for line in lines
    ]
    columns = [
        (begin + (place + 0.5) * step, known)
        for place, column in enumerate(zip(*rows))
        if (known := [value for value in column if value is not None])
    ]
    at = tuple(when for when, _ in columns)
    ways: tuple[tuple[str, Callable[[list[float]], float]], ...] = (
        ("highest", max),
        ("mean", lambda known: sum(known) / len(known)),
        ("lowest", min),
    )
    return tuple(Line(name=name, at=at, values=tuple(way(known) for _, known in columns)) for name, way in ways)


def _each(named: Iterable[tuple[str, tuple[Point, ...]]]) -> tuple[Line, ...]:
    return tuple(
        Line(name=name, at=tuple(point.at for point in points), values=tuple(point.mean for point in points))
        for name, points in named
        if points
    )


def _scaled(points: tuple[Point, ...], factor: float) -> tuple[Point, ...]:
    return tuple(Point(at=one.at, mean=one.mean * factor, highest=one.highest * factor) for one in points)


def _same(values: Sequence[float | None], factor: float) -> float | None:
    """The value that all have; None when they differ."""
    known = {value for value in values if value is not None}
    return known.pop() * factor if len(known) == 1 else None


def _marks(events: Sequence[Event]) -> list[Mark]:
    kept = _BEGINS | _ENDS | {"ready", "readiness_failed", "gave_up", "window_exhausted"}
    return [
        Mark(at=event.at, event=event.event, service=event.service or "", text=_mark_text(event))
        for event in events
        if event.event in kept
    ]


def _mark_text(event: Event) -> str:
    name = f"{event.service} " if event.service else "job "
    code = event.fields.get("exit_code")
    return f"{name}{event.event}" + (f" ({code})" if event.event in _ENDS and type(code) is int else "")


def _spans(events: Sequence[Event]) -> list[ServiceSpan]:
    """Each run of each service, in the order of their starts."""
    found: list[ServiceSpan] = []
    open_ones: dict[str, tuple[Event, float | None]] = {}
    for event in events:
        name = event.service
        if name is None:
            continue
        if event.event in _BEGINS:
            _close(found, open_ones, name, None)
            open_ones[name] = (event, None)
        elif event.event == "ready" and name in open_ones:
            open_ones[name] = (open_ones[name][0], event.at)
        elif event.event == "exited":
            _close(found, open_ones, name, event)
    for name in list(open_ones):
        _close(found, open_ones, name, None)
    return sorted(found, key=lambda span: span.begin)


def _close(
    found: list[ServiceSpan], open_ones: dict[str, tuple[Event, float | None]], name: str, end: Event | None
) -> None:
    opened = open_ones.pop(name, None)
    if opened is None:
        return
    begin, ready_at = opened
    code, number = (end.fields.get("exit_code"), end.fields.get("signal")) if end else (None, None)
    if type(number) is int and number:
        code = 128 + number
    found.append(
        ServiceSpan(
            service=name,
            begin=begin.at,
            end=end.at if end else None,
            ready_at=ready_at,
            exit_code=code if type(code) is int else None,
            is_restart=begin.event == "restarted",
        )
    )
