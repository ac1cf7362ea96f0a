"""The latest figures of a job in one line: a pure function of rows of `metrics/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compose_core.units import format_bytes, format_duration

_OLD_S = 60.0
_GPUS_NAMED = 2
_MIB, _GIB = 1024**2, 1024**3
Row = Mapping[str, Any]


def metrics_line(*, gpu: Iterable[Row], cpu: Iterable[Row], slurm: Iterable[Row], now: float) -> str:
    """Each device's, node's and step's latest row in short: `gpu0 93 % 71/80 GiB 512 W · cpu 34 % of 64`; empty without rows.

    Rows are in the order in which they were written. Figures older than a minute carry their age.
    """
    gpus = _latest(gpu, "node", "index")
    nodes = _latest(cpu, "node")
    steps = _latest(slurm, "step_id")
    parts = [*_gpu_parts(gpus), *_cpu_parts(nodes), *_step_parts(steps)]
    ages = [now - float(row["sampled_at"]) for row in (*gpus, *nodes, *steps)]
    if parts and min(ages) > _OLD_S:
        parts.append(f"{format_duration(min(ages))} ago")
    return " · ".join(parts)


def _latest(rows: Iterable[Row], *keys: str) -> list[Row]:
    """The last row of each device, of those that were sampled about when the newest one was."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        found[tuple(str(row.get(key)) for key in keys)] = row
    newest = max((float(row["sampled_at"]) for row in found.values()), default=0.0)
    return [row for row in found.values() if newest - float(row["sampled_at"]) <= _OLD_S]


def _gpu_parts(rows: list[Row]) -> list[str]:
    if not rows:
        return []
    if len(rows) <= _GPUS_NAMED:
        return [f"gpu{_text(row, 'index')} {_gpu(row)}".rstrip() for row in rows]
    use = _numbers(rows, "utilization_gpu")
    used, total = sum(_numbers(rows, "memory_used_mib")), sum(_numbers(rows, "memory_total_mib"))
    power = sum(_numbers(rows, "power_draw_w"))
    average = f"{sum(use) / len(use):.0f} % ({min(use):.0f}–{max(use):.0f})" if use else ""
    words = [average, _share(used * _MIB, total * _MIB), f"{power:.0f} W" if power else ""]
    return [" ".join(filter(None, (f"{len(rows)} gpus", *words)))]


def _gpu(row: Row) -> str:
    use, power = _number(row, "utilization_gpu"), _number(row, "power_draw_w")
    used, total = _number(row, "memory_used_mib"), _number(row, "memory_total_mib")
    words = [
        f"{use:.0f} %" if use is not None else "",
        _share(used * _MIB, total * _MIB) if used is not None and total is not None else "",
        f"{power:.0f} W" if power is not None else "",
    ]
    return " ".join(filter(None, words))


def _cpu_parts(rows: list[Row]) -> list[str]:
    use = _numbers(rows, "cpu_util_pct")
    cores = sum(_numbers(rows, "core_count"))
    known = [
        row for row in rows if _number(row, "memory_total_bytes") and _number(row, "memory_available_bytes") is not None
    ]
    total = sum(_numbers(known, "memory_total_bytes"))
    used = total - sum(_numbers(known, "memory_available_bytes"))
    nodes = f" on {len(rows)} nodes" if len(rows) > 1 else ""
    parts = [f"cpu {sum(use) / len(use):.0f} %{f' of {cores:.0f} cores' if cores else ''}{nodes}"] if use else []
    return [*parts, f"memory {_share(used, total)}"] if known else parts


def _step_parts(rows: list[Row]) -> list[str]:
    """The step that holds most memory."""
    held = [(size, row) for row in rows if (size := _number(row, "max_rss_bytes"))]
    if not held:
        return []
    size, row = max(held, key=lambda pair: pair[0])
    return [f"{row.get('service') or row.get('step_id')} rss {format_bytes(size)}"]


def _share(used: float, total: float) -> str:
    """`71/80 GiB`, `0.6/24 GiB`."""
    return f"{_figure(used / _GIB)}/{_figure(total / _GIB)} GiB" if total > 0 else ""


def _figure(number: float) -> str:
    return f"{number:.1f}" if 0 < number < 9.95 else f"{number:.0f}"


def _numbers(rows: Iterable[Row], key: str) -> list[float]:
    return [number for row in rows if (number := _number(row, key)) is not None]


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
    return float(value) if is_number and value is not None else None


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)
