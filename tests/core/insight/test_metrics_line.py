"""The latest figures in one line."""

from __future__ import annotations

from typing import Any

import pytest

from compose_core.insight.metrics_line import metrics_line

NOW = 1000.0
GIB = 1024**3


def gpu(index: int, use: float | None = 90, *, node: str = "n1", at: float = NOW - 1, **fields: Any) -> dict[str, Any]:
    """A row of gpu.jsonl."""
    return {
        "sampled_at": at,
        "node": node,
        "index": index,
        "utilization_gpu": use,
        "memory_used_mib": 40 * 1024,
        "memory_total_mib": 80 * 1024,
        "power_draw_w": 300.0,
        **fields,
    }


def line(**rows: list[dict[str, Any]]) -> str:
    """Of these rows."""
    return metrics_line(gpu=rows.get("gpu", []), cpu=rows.get("cpu", []), slurm=rows.get("slurm", []), now=NOW)


def test_without_rows_there_is_nothing_to_say() -> None:
    assert line() == ""


def test_each_of_few_gpus_is_named_by_its_latest_row() -> None:
    rows = [gpu(0, 10, at=NOW - 6), gpu(1, 20, at=NOW - 6), gpu(0, 93), gpu(1, 5)]
    assert line(gpu=rows) == "gpu0 93 % 40/80 GiB 300 W · gpu1 5 % 40/80 GiB 300 W"


def test_many_gpus_are_put_together() -> None:
    rows = [gpu(index, 10 * index, node=node) for node in ("n1", "n2") for index in range(4)]
    assert line(gpu=rows) == "8 gpus 15 % (0–30) 320/640 GiB 2400 W"


def test_nodes_and_the_largest_step_follow() -> None:
    cpu = [
        {
            "sampled_at": NOW - 2,
            "node": node,
            "cpu_util_pct": 50,
            "core_count": 64,
            "memory_total_bytes": 512 * GIB,
            "memory_available_bytes": 412 * GIB,
        }
        for node in ("n1", "n2")
    ]
    slurm = [
        {"sampled_at": NOW - 2, "step_id": "7.0", "service": "db", "max_rss_bytes": GIB},
        {"sampled_at": NOW - 2, "step_id": "7.1", "service": "app", "max_rss_bytes": 12 * GIB},
    ]
    assert line(cpu=cpu, slurm=slurm) == "cpu 50 % of 128 cores on 2 nodes · memory 200/1024 GiB · app rss 12 GiB"
    assert line(slurm=slurm) == "app rss 12 GiB"


def test_old_figures_carry_their_age() -> None:
    assert line(gpu=[gpu(0, at=NOW - 600)]).endswith(" · 10m00s ago")


def test_a_device_that_fell_silent_is_left_out() -> None:
    assert line(gpu=[gpu(0, at=NOW - 600), gpu(1)]) == "gpu1 90 % 40/80 GiB 300 W"


@pytest.mark.parametrize("value", [None, "busy", True, [1], {"a": 1}, 1e300])
def test_figures_that_are_none_are_left_out(value: object) -> None:
    row = gpu(0) | {"utilization_gpu": value, "power_draw_w": value, "memory_used_mib": value}
    assert line(gpu=[row]) == "gpu0"
