"""What the jobs of each rule used of what they asked for: figures, as a table, as CSV and as JSON. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from snakemake_executor_plugin_hpccompose.runner.results import Result

SCHEMA_VERSION = 1
KILLED = 137
"""The exit code of what the kernel killed: 128 + SIGKILL."""


@dataclass(frozen=True, kw_only=True)
class FinishedMember:
    """One attempt of a job that has ended."""

    rule: str
    key: str
    attempt: int
    job_id: str
    """Of its unit; tasks of an array have their number in `task`."""
    task: int | None = None
    """None: the unit was no array."""
    submitted_at: float
    shared_with: int = 0
    """So many other members ran in the same task."""
    cpus: int = 1
    mem_mb: int | None = None
    """As asked for, by itself."""
    runtime_min: int | None = None
    """As asked for, by itself."""
    gpus: int = 0
    result: Result | None = None
    """None: it ended without one, so that only the scheduler knows of it."""
    out_of_memory: bool = False
    """The scheduler said so."""

    @property
    def scheduler_id(self) -> str:
        """`41_3`, `41`."""
        return self.job_id if self.task is None else f"{self.job_id}_{self.task}"


@dataclass(frozen=True, kw_only=True)
class TaskUsage:
    """What accounting and samples say of a task; None: they do not."""

    wall_s: float | None = None
    cpu_s: float | None = None
    memory_peak_bytes: float | None = None
    gpu_percent: float | None = None
    """Mean over its devices and its time."""


@dataclass(frozen=True, kw_only=True)
class RuleFigures:
    """All jobs of one rule; None: nothing tells."""

    rule: str
    jobs: int
    """That ended well or for good; attempts that were repeated are counted in `attempts` alone."""
    attempts: int
    failed_attempts: int
    wall_p50_s: float | None
    wall_p95_s: float | None
    wall_max_s: float | None
    runtime_asked_min: int | None
    """The most that any of them asked for."""
    cpus: int
    cpu_percent: float | None
    """CPU time by the time of the CPUs that they had; 100: all were busy all the time."""
    memory_peak_mb: float | None
    memory_peak_basis: str
    """`job`: of all processes together; `process`: of the largest process alone, a lower bound; `cached`: with the files that the kernel
    kept in memory for it, an upper bound; empty: not known."""
    memory_asked_mb: int | None
    """The most that any of them asked for."""
    out_of_memory: int
    """So many attempts ended for want of memory, as far as can be told."""
    gpus: int
    gpu_percent: float | None
    queue_wait_p50_s: float | None
    core_hours: float | None
    """CPUs × wall time of all attempts."""
    wasted_core_hours: float | None
    """Of these, the part in which CPUs were idle or the attempt failed."""


def rule_figures(finished: Sequence[FinishedMember], usage: Mapping[str, TaskUsage]) -> list[RuleFigures]:
    """One row per rule, in the order of their names; `usage` is that of tasks, by the scheduler's id."""
    starts = _starts(finished)
    rules: dict[str, list[_Attempt]] = {}
    for member in finished:
        rules.setdefault(member.rule, []).append(_attempt(member, usage.get(member.scheduler_id), starts))
    return [_figures(rule, rules[rule]) for rule in sorted(rules)]


def table_of(figures: Sequence[RuleFigures]) -> str:
    """For people; a figure that nobody knows is `-`."""
    rows = [_HEAD, *(_cells(one) for one in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def csv_of(figures: Sequence[RuleFigures]) -> str:
    """The same with every figure in full; a figure that nobody knows is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RuleFigures)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in figures)
    return text.getvalue()


def json_of(figures: Sequence[RuleFigures], notes: Sequence[str] = ()) -> dict[str, Any]:
    """The same for programs."""
    return {"schema_version": SCHEMA_VERSION, "rules": [asdict(one) for one in figures], "notes": list(notes)}


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    member: FinishedMember
    wall_s: float | None
    cpu_s: float | None
    wait_s: float | None
    memory_bytes: float | None
    memory_basis: str
    gpu_percent: float | None

    @property
    def ok(self) -> bool:
        return self.member.result is not None and self.member.result.ok

    @property
    def ran_out_of_memory(self) -> bool:
        """The scheduler said so, or the kernel killed it without anyone having asked."""
        result = self.member.result
        return self.member.out_of_memory or (result is not None and result.exit_code == KILLED)

    @property
    def core_s(self) -> float | None:
        return None if self.wall_s is None else self.wall_s * self.member.cpus


def _starts(finished: Iterable[FinishedMember]) -> dict[str, float]:
    """When the first member of each task began."""
    starts: dict[str, float] = {}
    for member in finished:
        if member.result is not None and member.result.started_at is not None:
            at = starts.get(member.scheduler_id, member.result.started_at)
            starts[member.scheduler_id] = min(at, member.result.started_at)
    return starts


def _attempt(member: FinishedMember, usage: TaskUsage | None, starts: Mapping[str, float]) -> _Attempt:
    """The task's own figures are those of a member that had it for itself; else its inner Snakemake's are."""
    own = usage if usage is not None and not member.shared_with else TaskUsage()
    result = member.result
    wall_s = result.ended_at - result.started_at if result is not None and result.started_at is not None else own.wall_s
    start = starts.get(member.scheduler_id)
    memory, basis = _memory(member, own)
    return _Attempt(
        member=member,
        wall_s=wall_s,
        cpu_s=own.cpu_s if own.cpu_s is not None else result.cpu_s if result is not None else None,
        wait_s=None if start is None else max(0.0, start - member.submitted_at),
        memory_bytes=memory,
        memory_basis=basis,
        gpu_percent=own.gpu_percent,
    )


def _memory(member: FinishedMember, own: TaskUsage) -> tuple[float | None, str]:
    """The accounting samples, so it may have missed what the largest process had for a moment."""
    result = member.result
    largest = float(result.max_rss_bytes) if result is not None else 0.0
    if own.memory_peak_bytes:
        return max(own.memory_peak_bytes, largest), "job"
    if result is not None and result.memory_peak_bytes and not member.shared_with:
        return float(result.memory_peak_bytes), "cached"
    return (largest, "process") if largest else (None, "")


def _figures(rule: str, attempts: Sequence[_Attempt]) -> RuleFigures:
    walls = sorted(one.wall_s for one in attempts if one.wall_s is not None and one.ok)
    waits = sorted(one.wait_s for one in attempts if one.wait_s is not None)
    peaks = [(one.memory_bytes, one.memory_basis) for one in attempts if one.memory_bytes is not None]
    peak, basis = max(peaks, default=(None, ""), key=lambda known: known[0])
    measured = [one for one in attempts if one.core_s and one.cpu_s is not None]
    core_s = sum(one.core_s or 0.0 for one in measured)
    used_s = sum(one.cpu_s or 0.0 for one in measured)
    useful_s = sum(min(one.cpu_s or 0.0, one.core_s or 0.0) for one in measured if one.ok)
    gpus = [one.gpu_percent for one in attempts if one.gpu_percent is not None]
    return RuleFigures(
        rule=rule,
        jobs=len({one.member.key for one in attempts}),
        attempts=len(attempts),
        failed_attempts=sum(not one.ok for one in attempts),
        wall_p50_s=_quantile(walls, 0.5),
        wall_p95_s=_quantile(walls, 0.95),
        wall_max_s=walls[-1] if walls else None,
        runtime_asked_min=max((one.member.runtime_min for one in attempts if one.member.runtime_min), default=None),
        cpus=max(one.member.cpus for one in attempts),
        cpu_percent=round(100 * used_s / core_s, 1) if core_s else None,
        memory_peak_mb=None if peak is None else round(peak / 2**20, 1),
        memory_peak_basis=basis,
        memory_asked_mb=max((one.member.mem_mb for one in attempts if one.member.mem_mb), default=None),
        out_of_memory=sum(one.ran_out_of_memory for one in attempts),
        gpus=max(one.member.gpus for one in attempts),
        gpu_percent=round(sum(gpus) / len(gpus), 1) if gpus else None,
        queue_wait_p50_s=_quantile(waits, 0.5),
        core_hours=round(core_s / 3600, 4) if measured else None,
        wasted_core_hours=round((core_s - useful_s) / 3600, 4) if measured else None,
    )


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """The smallest figure that is not exceeded by that part of all."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))], 3)


_HEAD = [
    "rule",
    "jobs",
    "failed",
    "wall p50",
    "wall p95",
    "asked",
    "CPUs",
    "CPU %",
    "peak MB",
    "asked MB",
    "GPU %",
    "wait p50",
    "core-h",
    "wasted",
]


def _cells(one: RuleFigures) -> list[str]:
    sign = {"process": "≥", "cached": "≤"}.get(one.memory_peak_basis, "")
    return [
        one.rule,
        str(one.jobs),
        str(one.failed_attempts),
        _seconds(one.wall_p50_s),
        _seconds(one.wall_p95_s),
        _seconds(None if one.runtime_asked_min is None else one.runtime_asked_min * 60.0),
        str(one.cpus),
        _number(one.cpu_percent, 0),
        sign + _number(one.memory_peak_mb, 0),
        _number(one.memory_asked_mb, 0),
        _number(one.gpu_percent, 0),
        _seconds(one.queue_wait_p50_s),
        _number(one.core_hours, 2),
        _number(one.wasted_core_hours, 2),
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _seconds(value: float | None) -> str:
    """`7.3s`, `12:05`, `3:00:00`."""
    if value is None:
        return "-"
    if value < 60:
        return f"{value:.1f}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
