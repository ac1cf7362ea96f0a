"""What the rows of gpu.jsonl say of each GPU: never an average over devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compose_core.insight.series import Point, Series

_NUMBERS = (int, float)
_HUGE = 1e18
DEVICES = 2048
"""More in one job are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """One GPU, or one MIG device; what no sample said is None."""

    node: str
    index: int | None
    uuid: str
    name: str
    mig_device: int | None
    samples: int
    utilization_mean: float | None
    """Percent; weighted by time."""
    utilization_max: float | None
    memory_mean_mib: float | None
    memory_peak_mib: float | None
    memory_total_mib: float | None
    power_mean_w: float | None
    power_max_w: float | None
    power_limit_w: float | None
    temperature_max_c: float | None
    energy_j: float | None
    """Of the time that `power_covered_s` tells; None where no power was sampled."""
    power_covered_s: float
    covered_s: float
    """How long its samples follow each other closely enough to speak for the time between them."""
    first_at: float
    last_at: float
    latest: Mapping[str, Any]
    """Its last row."""
    utilization: tuple[Point, ...] = ()
    memory: tuple[Point, ...] = ()
    """MiB."""
    power: tuple[Point, ...] = ()
    """Watt."""

    @property
    def label(self) -> str:
        """`node1 GPU 0`, `node1 GPU 0 MIG 3`."""
        which = "GPU" if self.index is None else f"GPU {self.index}"
        return f"{self.node} {which}" + ("" if self.mig_device is None else f" MIG {self.mig_device}")


@dataclass(slots=True)
class Gauge:
    """A figure that is sampled now and then: its mean over time (trapezoids), its peak, its course."""

    series: Series = field(default_factory=Series)
    peak: float | None = None
    covered_s: float = 0.0
    integral: float = 0.0
    """Figure × seconds."""
    _value: float | None = None
    _sum: float = 0.0
    _count: int = 0

    def add(self, at: float, value: Any, since_s: float) -> None:
        """A sample, `since_s` after the one before, 0 where that one does not speak for the time between; not a number: none."""
        if type(value) not in _NUMBERS or not -_HUGE < value < _HUGE:
            self._value = None
            return
        if since_s and self._value is not None:
            self.covered_s += since_s
            self.integral += since_s * (self._value + value) / 2
        self._value = value
        self._sum += value
        self._count += 1
        if self.peak is None or value > self.peak:
            self.peak = value
        self.series.add(at, value)

    @property
    def mean(self) -> float | None:
        """Over the covered time; of the samples alone where they cover none."""
        if self.covered_s > 0:
            return self.integral / self.covered_s
        return self._sum / self._count if self._count else None


class _Device:
    def __init__(self, row: Mapping[str, Any], gap_s: float) -> None:
        self._gap_s = gap_s
        self.first_at = self._at = row["sampled_at"]
        self.samples = 0
        self.latest: Mapping[str, Any] = row
        self.utilization, self.memory, self.power = Gauge(), Gauge(), Gauge()
        self.covered_s = 0.0
        self.temperature: float | None = None

    def take(self, row: Mapping[str, Any]) -> None:
        at = row["sampled_at"]
        since = elapsed(self._at, at, self._gap_s)
        self._at = at
        self.samples += 1
        self.latest = row
        self.covered_s += since
        self.utilization.add(at, row.get("utilization_gpu"), since)
        self.memory.add(at, row.get("memory_used_mib"), since)
        self.power.add(at, row.get("power_draw_w"), since)
        degrees = number(row.get("temperature_c"))
        if degrees is not None and (self.temperature is None or degrees > self.temperature):
            self.temperature = degrees

    def usage(self) -> GpuUsage:
        row = self.latest
        return GpuUsage(
            node=text(row.get("node")),
            index=_whole(row.get("index")),
            uuid=text(row.get("uuid")),
            name=text(row.get("name")),
            mig_device=_whole(row.get("mig_device")),
            samples=self.samples,
            utilization_mean=self.utilization.mean,
            utilization_max=self.utilization.peak,
            memory_mean_mib=self.memory.mean,
            memory_peak_mib=self.memory.peak,
            memory_total_mib=number(row.get("memory_total_mib")),
            power_mean_w=self.power.mean,
            power_max_w=self.power.peak,
            power_limit_w=number(row.get("power_limit_w")),
            temperature_max_c=self.temperature,
            energy_j=self.power.integral if self.power.covered_s > 0 else None,
            power_covered_s=self.power.covered_s,
            covered_s=self.covered_s,
            first_at=self.first_at,
            last_at=row["sampled_at"],
            latest=row,
            utilization=self.utilization.series.points(),
            memory=self.memory.series.points(),
            power=self.power.series.points(),
        )


class GpuSamples:
    """Takes the rows of gpu.jsonl one by one."""

    def __init__(self, longest_gap_s: float) -> None:
        self._gap_s = longest_gap_s
        self._devices: dict[tuple[object, ...], _Device] = {}
        self.left_out = 0
        """Rows of devices beyond the limit."""

    def take(self, row: Mapping[str, Any]) -> None:
        """One row."""
        key = (text(row.get("node")), text(row.get("uuid")) or _whole(row.get("index")), _whole(row.get("mig_device")))
        device = self._devices.get(key)
        if device is None:
            if len(self._devices) >= DEVICES:
                self.left_out += 1
                return
            device = self._devices[key] = _Device(row, self._gap_s)
        device.take(row)

    def gpus(self) -> tuple[GpuUsage, ...]:
        """Each device, by node and number."""
        found = [device.usage() for device in self._devices.values()]
        return tuple(sorted(found, key=lambda gpu: (_natural(gpu.node), gpu.index or 0, gpu.mig_device or -1)))


def elapsed(before: float, at: float, longest_s: float) -> float:
    """Seconds between two samples; 0 when they are out of order, or too far apart to speak for the time between."""
    return at - before if 0 < at - before <= longest_s else 0.0


def number(value: Any) -> float | None:
    """The value when it is a finite number."""
    return value if type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e18 else None


def text(value: Any) -> str:
    """The value when it is a text of reasonable length."""
    return value[:200] if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1_000_000 else None


def _natural(name: str) -> tuple[str, int]:
    """`node2` before `node10`."""
    digits = len(name) - len(name.rstrip("0123456789"))
    tail = name[len(name) - digits :][:9]
    return name[: len(name) - digits], int(tail) if tail.isascii() and tail.isdigit() else -1
