"""What was sampled while a job ran: how the collectors did, and their rows, read as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from compose_core.records.format import Format
from compose_core.records.json_text import JsonObject, json_object
from compose_core.records.line_stream import whole_lines
from compose_core.records.our_path import OurPath

MetricsFile = Literal["gpu", "gpu_processes", "slurm", "cpu"]
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_NUMBERS = frozenset(
    {
        *("index", "utilization_gpu", "utilization_memory", "memory_used_mib", "memory_total_mib", "temperature_c"),
        *("power_draw_w", "power_limit_w", "pid", "used_memory_mib", "slurm_procid", "slurm_localid", "ntasks"),
    }
)
"""Figures that older releases wrote as text."""


class Coverage(BaseModel):
    """Where a collector samples, and what is missing."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    scope: str = "unknown"
    """allocation, batch_node or unknown."""
    expected_nodes: int | None = None
    observed_nodes: int | None = None
    degraded: bool = False
    reason: str | None = None


class CollectorMeta(BaseModel):
    """One collector in `metrics/meta.json`."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    name: str
    enabled: bool = True
    available: bool = False
    note: str | None = None
    sampled_every_s: float | None = None
    last_sampled_at: float | None = None
    coverage: Coverage = Field(default_factory=Coverage)


class MetricsMeta(Format):
    """`metrics/meta.json`."""

    max_bytes: ClassVar[int] = 1024 * 1024

    sampler_pid: int | None = None
    interval_seconds: float = 5
    updated_at: float | None = None
    collectors: tuple[CollectorMeta, ...] = ()


def metrics_file(folder: OurPath, name: MetricsFile) -> OurPath:
    """The file of `metrics/` that holds these rows."""
    return folder / f"{name}.jsonl"


def metric_rows(path: OurPath, *, last_bytes: int | None = None) -> Iterator[JsonObject]:
    """The rows of the file in its order, one at a time, however large it is; of its end alone with `last_bytes`.

    `sampled_at` is epoch seconds and figures are numbers, also where an older release wrote text. A line that is no row,
    and a last line without an end, are left out; without a file there are no rows.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    lines = whole_lines(path, last_bytes=last_bytes)
    with closing(lines):
        for line in lines:
            row = metric_row(line)
            if row is not None:
                yield row


def metric_row(line: bytes) -> JsonObject | None:
    """The row that the line spells; None when it spells none."""
    try:
        row = json_object(line)
    except ValueError:
        return None
    at = _epoch(row.get("sampled_at"))
    if at is None:
        return None
    row["sampled_at"] = at
    for key in _NUMBERS:
        value = row.get(key)
        if type(value) is str:
            row[key] = _number(value)
    return row


def _number(text: str) -> float | int | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _epoch(value: Any) -> float | None:
    """Seconds since the epoch; older releases wrote ISO 8601 in UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
