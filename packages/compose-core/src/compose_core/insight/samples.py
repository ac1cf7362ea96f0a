"""All that the sampler wrote of one job, summed up row by row: memory does not grow with the length of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compose_core.insight.gpu_samples import GpuSamples, GpuUsage
from compose_core.insight.series import Point
from compose_core.insight.step_samples import NodeSamples, NodeUsage, SampledStep, StepSamples
from compose_core.records.metrics import CollectorMeta, MetricsMeta

Row = Mapping[str, Any]
PROCESSES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRows:
    """The rows of the sampler's files, each read once and in order."""

    gpu: Iterable[Row] = ()
    gpu_processes: Iterable[Row] = ()
    slurm: Iterable[Row] = ()
    cpu: Iterable[Row] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What was sampled."""

    interval_s: float
    collectors: tuple[CollectorMeta, ...] = ()
    gpus: tuple[GpuUsage, ...] = ()
    gpu_processes: tuple[Row, ...] = ()
    """Of each node the last ones that were seen together."""
    steps: tuple[SampledStep, ...] = ()
    step_cpu: tuple[Point, ...] = ()
    """CPUs that the steps kept busy."""
    step_memory: tuple[Point, ...] = ()
    """Bytes of all steps together."""
    step_memory_peak: float | None = None
    nodes: tuple[NodeUsage, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """No row of any kind."""
        return not (self.gpus or self.steps or self.nodes or self.gpu_processes)

    @property
    def gpu_energy_j(self) -> float | None:
        """Of all devices whose power was sampled; None where there is none."""
        known = [gpu.energy_j for gpu in self.gpus if gpu.energy_j is not None]
        return sum(known) if known else None


def sum_up(meta: MetricsMeta | None, rows: MetricRows, *, begin: float = 0.0, end: float = 4e9) -> Samples:
    """The rows of a job; those whose time lies outside of `begin` and `end` have a wrong clock and are left out.

    Two samples speak for the time between them when they are no further apart than three intervals (or 30 s).
    """
    interval = meta.interval_seconds if meta else 5.0
    every = [item.sampled_every_s or interval for item in meta.collectors] if meta else []
    gap = max(30.0, 3 * max([interval, *every]))
    gpus, steps, nodes, processes = GpuSamples(gap), StepSamples(gap), NodeSamples(gap), LatestProcesses()
    strays = 0
    for found, take in (
        (rows.gpu, gpus.take),
        (rows.gpu_processes, processes.take),
        (rows.slurm, steps.take),
        (rows.cpu, nodes.take),
    ):
        for row in found:
            if begin <= row["sampled_at"] <= end:
                take(row)
            else:
                strays += 1
    sampled = steps.steps()
    return Samples(
        interval_s=interval,
        collectors=meta.collectors if meta else (),
        gpus=gpus.gpus(),
        gpu_processes=processes.rows(),
        steps=sampled,
        step_cpu=steps.cpu.points(),
        step_memory=steps.memory.points(),
        step_memory_peak=steps.memory_peak,
        nodes=nodes.nodes(),
        notes=_notes(meta, strays, gpus.left_out + steps.left_out),
    )


class LatestProcesses:
    """Takes the rows of gpu_processes.jsonl one by one and keeps those of the last time of each node."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._count = 0

    def take(self, row: Row) -> None:
        """One row."""
        known = self._rows.setdefault(str(row.get("node"))[:200], [])
        if known and known[0]["sampled_at"] != row["sampled_at"]:
            self._count -= len(known)
            known.clear()
        if self._count < PROCESSES:
            known.append(row)
            self._count += 1

    def rows(self) -> tuple[Row, ...]:
        """By node."""
        return tuple(row for _, rows in sorted(self._rows.items()) for row in rows)


def _notes(meta: MetricsMeta | None, strays: int, left_out: int) -> tuple[str, ...]:
    found = []
    for item in meta.collectors if meta else ():
        if not item.enabled:
            continue
        if item.coverage.degraded:
            found.append(f"The samples of {item.name} have gaps: {item.coverage.reason or item.note or 'unknown why'}.")
        elif not item.available:
            found.append(f"There are no samples of {item.name}: {item.note or 'unknown why'}.")
    if strays:
        found.append(f"{strays} samples were left out: their times lie outside of the job's.")
    if left_out:
        found.append(f"{left_out} samples were left out: there are more devices or steps than are told apart.")
    return tuple(found)
