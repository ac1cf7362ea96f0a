"""Reading what was sampled."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.records.atomic import replace_file
from compose_core.records.metrics import MetricsMeta, metric_rows, metrics_file
from compose_core.records.our_path import OurPath


@pytest.fixture
def gpu(tmp_path: Path) -> OurPath:
    """Where rows of GPUs lie."""
    return metrics_file(OurPath(tmp_path) / "metrics", "gpu")


def test_a_torn_last_line_and_damaged_ones_spoil_nothing(gpu: OurPath) -> None:
    """The rows around them are read."""
    replace_file(
        gpu,
        b'{"sampled_at":1.5,"index":0,"utilization_gpu":97}\n'
        b'{"sampled_at":"yesterday","index":0}\n\n[1]\n'
        b'{"sampled_at":2.5,"index":0,"utilization_gpu":NaN}\n'
        b'{"sampled_at":3.5,"index":0,"utilization_gpu":null}\n'
        b'{"sampled_at":4.5,"ind',
    )
    assert [(row["sampled_at"], row["utilization_gpu"]) for row in metric_rows(gpu)] == [(1.5, 97), (3.5, None)]


def test_rows_of_older_releases_are_read_as_numbers(gpu: OurPath) -> None:
    """They wrote every value as text, and times as ISO 8601."""
    row = {
        "sampled_at": "2026-03-01T10:00:00Z",
        "index": "1",
        "power_draw_w": "389.12",
        "temperature_c": "[N/A]",
        "name": "1",
    }
    replace_file(gpu, json.dumps(row).encode() + b"\n")
    (read,) = metric_rows(gpu)
    assert read == {"sampled_at": 1772359200.0, "index": 1, "power_draw_w": 389.12, "temperature_c": None, "name": "1"}


def test_the_end_of_a_file_can_be_read_alone(gpu: OurPath) -> None:
    """A row that is cut is left out."""
    replace_file(gpu, b"".join(b'{"sampled_at":%d}\n' % number for number in range(1000)))
    assert [row["sampled_at"] for row in metric_rows(gpu, last_bytes=45)] == [998.0, 999.0]
    assert len(list(metric_rows(gpu, last_bytes=10**6))) == 1000


def test_a_day_of_samples_takes_constant_memory(gpu: OurPath) -> None:
    """17,280 samples of eight GPUs."""
    row = b'{"sampled_at":1795246059.892,"node":"n1","index":0,"uuid":"GPU-1","utilization_gpu":97,"memory_used_mib":76543}\n'
    replace_file(gpu, row * 8 * 17280)
    tracemalloc.start()
    assert sum(1 for _ in metric_rows(gpu)) == 8 * 17280
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_without_a_file_there_are_no_rows(gpu: OurPath) -> None:
    """The job asked for no metrics, or has not begun."""
    assert list(metric_rows(gpu)) == []


def test_a_link_in_its_place_is_refused(gpu: OurPath, tmp_path: Path) -> None:
    """Nobody's file is shown as ours."""
    (tmp_path / "metrics").mkdir()
    gpu.path.symlink_to("/etc/passwd")
    with pytest.raises(RecordError):
        list(metric_rows(gpu))


def test_meta_tells_how_the_collectors_did(tmp_path: Path) -> None:
    """Fields of later releases are ignored."""
    path = OurPath(tmp_path) / "meta.json"
    coverage = {
        "scope": "allocation",
        "expected_nodes": 2,
        "observed_nodes": 1,
        "degraded": True,
        "reason": "n2 is silent",
    }
    gpu = {"name": "gpu", "enabled": True, "available": True, "note": "nvidia-smi", "coverage": coverage, "later": 1}
    replace_file(path, json.dumps({"schema_version": 1, "interval_seconds": 5, "collectors": [gpu]}).encode())
    meta = MetricsMeta.read(path)
    assert meta is not None
    (collector,) = meta.collectors
    assert (collector.coverage.degraded, collector.coverage.observed_nodes, collector.last_sampled_at) == (
        True,
        1,
        None,
    )
