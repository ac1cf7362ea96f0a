"""What the rows of slurm.jsonl and cpu.jsonl say: the steps of a job, and its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compose_core.insight.gpu_samples import Gauge, elapsed, number, text
from compose_core.insight.series import Point, Series

STEPS = 4096
"""More in one job (a service restarted thousands of times) are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledStep:
    """One step, as it was sampled last, and its peak."""

    step_id: str
    service: str
    latest: Mapping[str, Any]
    cpu_s: float | None
    """All tasks together, from Slurm's mean in whole seconds."""
    max_rss_bytes: float | None
    peak_bytes: float | None
    """All tasks together, at one time."""
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """One node as a whole, other jobs on it included."""

    node: str
    core_count: int | None
    cpu_mean_pct: float | None
    cpu_max_pct: float | None
    memory_total_bytes: float | None
    memory_peak_bytes: float | None
    """In use by anybody."""
    latest: Mapping[str, Any]
    cpu: tuple[Point, ...] = ()
    memory: tuple[Point, ...] = ()


@dataclass(slots=True)
class _Step:
    latest: Mapping[str, Any]
    cpu_s: float | None = None
    highest: float | None = None
    peak: float | None = None

    def take(self, row: Mapping[str, Any]) -> tuple[float, float]:
        """How many CPU seconds came on top since its last row, and its memory now."""
        self.latest = row
        tasks = number(row.get("ntasks")) or 1
        mean_cpu, mean_rss = number(row.get("ave_cpu_s")), number(row.get("ave_rss_bytes"))
        largest = number(row.get("max_rss_bytes"))
        memory = max(mean_rss * tasks if mean_rss is not None else 0.0, 0.0)
        if largest is not None:
            self.highest = max(self.highest or 0.0, largest)
        if mean_rss is not None:
            self.peak = max(self.peak or 0.0, memory)
        added = 0.0
        if mean_cpu is not None:
            added = max(0.0, mean_cpu * tasks - (self.cpu_s or 0.0))
            self.cpu_s = max(self.cpu_s or 0.0, mean_cpu * tasks)
        return added, memory


class StepSamples:
    """Takes the rows of slurm.jsonl one by one; rows of one time belong to one answer of `sstat`."""

    def __init__(self, longest_gap_s: float) -> None:
        self._gap_s = longest_gap_s
        self._steps: dict[str, _Step] = {}
        self._at: float | None = None
        self._before: float | None = None
        self._added = self._memory = 0.0
        self.cpu = Series()
        """How many CPUs were busy."""
        self.memory = Series()
        """Bytes of all steps together, on all nodes."""
        self.memory_peak: float | None = None
        self.left_out = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """One row."""
        if row["sampled_at"] != self._at:
            self._close()
            self._at = row["sampled_at"]
        name = text(row.get("step_id"))
        step = self._steps.get(name)
        if step is None:
            if not name or len(self._steps) >= STEPS:
                self.left_out += 1
                return
            step = self._steps[name] = _Step(row)
        added, memory = step.take(row)
        self._added += added
        self._memory += memory

    def _close(self) -> None:
        """An answer is complete."""
        at = self._at
        if at is None:
            return
        if self._before is not None and 0 < at - self._before <= self._gap_s:
            self.cpu.add(at, self._added, weight=at - self._before)
        if self._memory > 0:
            self.memory.add(at, self._memory)
            self.memory_peak = max(self.memory_peak or 0.0, self._memory)
        self._before = at
        self._added = self._memory = 0.0

    def steps(self) -> tuple[SampledStep, ...]:
        """Each step, the batch step first."""
        self._close()
        self._at = None
        found = [
            SampledStep(
                step_id=name,
                service=text(step.latest.get("service")),
                latest=step.latest,
                cpu_s=step.cpu_s,
                max_rss_bytes=step.highest,
                peak_bytes=step.peak,
                last_at=step.latest["sampled_at"],
            )
            for name, step in self._steps.items()
        ]
        return tuple(sorted(found, key=lambda step: step_order(step.step_id)))


@dataclass(slots=True)
class _Node:
    gap_s: float
    latest: Mapping[str, Any] = field(default_factory=dict)
    cpu: Gauge = field(default_factory=Gauge)
    memory: Gauge = field(default_factory=Gauge)

    def take(self, row: Mapping[str, Any]) -> None:
        at = row["sampled_at"]
        since = elapsed(self.latest.get("sampled_at", at), at, self.gap_s)
        self.latest = row
        self.cpu.add(at, row.get("cpu_util_pct"), since)
        total, free = number(row.get("memory_total_bytes")), number(row.get("memory_available_bytes"))
        self.memory.add(at, total - free if total is not None and free is not None else None, since)


class NodeSamples:
    """Takes the rows of cpu.jsonl one by one."""

    def __init__(self, longest_gap_s: float) -> None:
        self._gap_s = longest_gap_s
        self._nodes: dict[str, _Node] = {}

    def take(self, row: Mapping[str, Any]) -> None:
        """One row."""
        name = text(row.get("node"))
        if name in self._nodes or len(self._nodes) < STEPS:
            self._nodes.setdefault(name, _Node(self._gap_s)).take(row)

    def nodes(self) -> tuple[NodeUsage, ...]:
        """Each node, by name."""
        return tuple(
            NodeUsage(
                node=name,
                core_count=int(number(node.latest.get("core_count")) or 0) or None,
                cpu_mean_pct=node.cpu.mean,
                cpu_max_pct=node.cpu.peak,
                memory_total_bytes=number(node.latest.get("memory_total_bytes")),
                memory_peak_bytes=node.memory.peak,
                latest=node.latest,
                cpu=node.cpu.series.points(),
                memory=node.memory.series.points(),
            )
            for name, node in sorted(self._nodes.items())
        )


def step_order(step_id: str) -> tuple[int, int, str]:
    """`batch`, then `extern`, then the numbered ones in order."""
    step = step_id.rpartition(".")[2]
    if step.isascii() and step.isdigit() and len(step) < 10:
        return 2, int(step), step_id
    return {"batch": 0, "extern": 1}.get(step, 3), 0, step_id
