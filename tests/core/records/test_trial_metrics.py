"""What a trial tells of its progress."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from compose_core.records.our_path import OurPath
from compose_core.records.trial_metrics import TrialPoint, trial_points


def points(path: Path) -> list[TrialPoint]:
    return list(trial_points(OurPath(path.parent) / path.name))


def test_rows_are_points(tmp_path: Path) -> None:
    """A row without a step counts on; NaN is a figure."""
    path = tmp_path / "trial.jsonl"
    rows = [
        {"step": 4, "name": "loss", "value": 1},
        {"name": "loss", "value": 0.5},
        {"name": "accuracy", "value": 0.1},
        {"step": 9, "name": "loss", "value": math.nan},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = points(path)
    assert found[:3] == [TrialPoint(4.0, "loss", 1.0), TrialPoint(5.0, "loss", 0.5), TrialPoint(0.0, "accuracy", 0.1)]
    assert math.isnan(found[3].value)


def test_a_file_that_is_not_there_has_no_points(tmp_path: Path) -> None:
    assert points(tmp_path / "trial.jsonl") == []


@given(content=st.binary(max_size=300))
def test_no_content_is_an_error(tmp_path_factory: object, content: bytes) -> None:
    """A service may write anything there."""
    folder = Path(tmp_path_factory.mktemp("t"))  # type: ignore[attr-defined]
    (folder / "trial.jsonl").write_bytes(content)
    for point in points(folder / "trial.jsonl"):
        assert isinstance(point.value, float)


def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    """64 MiB in one line, and the row after it is still read."""
    path = tmp_path / "trial.jsonl"
    with path.open("wb") as stream:
        for _ in range(64):
            stream.write(b" " * 1024 * 1024)
        stream.write(b'\n{"name": "a", "value": 1}\n')
    tracemalloc.start()
    assert points(path) == [TrialPoint(0.0, "a", 1.0)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_only_so_many_names_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "trial.jsonl"
    path.write_text("".join(f'{{"name": "n{number}", "value": 1}}\n' for number in range(1500)))
    assert len({point.name for point in points(path)}) == 1000
