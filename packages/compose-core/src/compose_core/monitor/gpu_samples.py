"""The latest sample of a job's GPUs, from the end of its metrics file."""

from __future__ import annotations

from typing import Any

from compose_core.errors import RecordError
from compose_core.monitor.looks import GpuSample
from compose_core.records.attempts import of_newest_attempt
from compose_core.records.job_record import JobRecord
from compose_core.records.json_text import JsonObject
from compose_core.records.metrics import metric_rows, metrics_file
from compose_core.records.monitor_rows import GpuNow

_READ = 256 * 1024
"""Enough for one sample of a few hundred GPUs."""


def latest_sample(record: JobRecord) -> GpuSample | None:
    """The newest row of each of its GPUs; None without any, also when the file cannot be read."""
    try:
        path = metrics_file(of_newest_attempt(record.job_paths).metrics, "gpu")
        rows = [row for row in metric_rows(path, last_bytes=_READ) if not row.get("mig_device")]
    except RecordError:
        return None
    newest: dict[tuple[str, str], JsonObject] = {}
    for row in rows:
        newest[str(row.get("node") or ""), str(row.get("index"))] = row
    if not newest:
        return None
    gpus = tuple(_gpu(node, index, row) for (node, index), row in sorted(newest.items()))
    return GpuSample(sampled_at=max(row["sampled_at"] for row in newest.values()), gpus=gpus)


def _gpu(node: str, index: str, row: JsonObject) -> GpuNow:
    return GpuNow(
        node=node,
        index=index,
        utilization_percent=_figure(row.get("utilization_gpu")),
        memory_used_mib=_figure(row.get("memory_used_mib")),
        memory_total_mib=_figure(row.get("memory_total_mib")),
    )


def _figure(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
