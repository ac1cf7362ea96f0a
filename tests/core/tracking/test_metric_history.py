"""Samples up to an earlier moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.records.our_path import OurPath
from compose_core.tracking.metric_history import MetricHistory


def write(folder: Path, name: str, *rows: dict[str, Any] | bytes) -> OurPath:
    """A file of `metrics/`."""
    metrics = OurPath(folder) / "metrics"
    metrics.path.mkdir(exist_ok=True)
    lines = (row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)
    (metrics.path / f"{name}.jsonl").write_bytes(b"".join(lines))
    return metrics


def gpu(at: float, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"sampled_at": at, "node": "n1", "index": index, **fields}


def shown(history: MetricHistory, at: float) -> list[tuple[float, int]]:
    return [(row["sampled_at"], row["index"]) for row in history.rows(at)["gpu"]]


def test_the_rows_of_a_moment_are_the_latest_before_it(tmp_path: Path) -> None:
    """Never one that came later; all devices are among them."""
    rows = [gpu(at, index) for at in range(0, 1000, 5) for index in range(3)]
    history = MetricHistory(write(tmp_path, "gpu", *rows))
    assert shown(history, -1) == []
    assert shown(history, 4.9) == [(0, 0), (0, 1), (0, 2)]
    assert shown(history, 500)[-3:] == [(500, 0), (500, 1), (500, 2)]
    assert max(shown(history, 504.9)) == (500, 2)
    assert min(shown(history, 504.9)) == (470, 0)
    assert history.places(500) == history.places(504.9) != history.places(505)
    assert history.count == 200


def test_damaged_lines_and_older_releases_are_read_past(tmp_path: Path) -> None:
    """A torn end, a line of nothing, times as text, a file that is a link."""
    folder = write(
        tmp_path,
        "gpu",
        gpu(10),
        b'{"sampled_at":11,"node":"n1","ind\n',
        b"\xff\n[]\n{}\n",
        {"node": "n1", "sampled_at": "1970-01-01T00:00:12Z", "index": 1},
        b'{"sampled_at":13,"index":2,"no',
    )
    (folder.path / "cpu.jsonl").symlink_to("gpu.jsonl")
    history = MetricHistory(folder)
    assert shown(history, 99) == [(10, 0), (12, 1)]
    assert len(history.faults) == 1
    (folder.path / "gpu.jsonl").unlink()
    assert shown(history, 99) == []


@given(
    times=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    at=st.integers(-5, 70),
)
def test_it_never_shows_the_future(tmp_path_factory: pytest.TempPathFactory, times: list[int], at: int) -> None:
    """Whatever the sampler's clock did."""
    folder = write(
        tmp_path_factory.mktemp("run"), "gpu", *(gpu(float(time), place) for place, time in enumerate(times))
    )
    rows = shown(MetricHistory(folder), at)
    assert all(time <= at for time, _ in rows)
    if times == sorted(times) and min(times) <= at:
        assert rows[-1] == max((float(time), place) for place, time in enumerate(times) if time <= at)


def test_without_samples_there_are_no_rows(tmp_path: Path) -> None:
    """The job had no metrics."""
    history = MetricHistory(OurPath(tmp_path) / "metrics")
    assert history.count == 0
    assert history.rows(5) == {"gpu": [], "cpu": [], "slurm": []}
