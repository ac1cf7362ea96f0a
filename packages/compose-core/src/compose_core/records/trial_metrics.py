"""What a trial of a sweep tells of its progress: `trial.jsonl` in its job folder, written by the services themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from compose_core.records.line_stream import whole_lines
from compose_core.records.our_path import OurPath

_NAME_LENGTH = 200
_MOST_NAMES = 1000
"""Further names in the same file are left out."""


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One figure at one step."""

    step: float
    name: str
    value: float
    """May be `nan` or infinite: a trial that diverges says so."""


def trial_points(path: OurPath, *, last_bytes: int | None = None) -> Iterator[TrialPoint]:
    """The rows `{"step", "name", "value"}` of the file in its order; a row without a step counts on from the one before.

    What is no such row is left out. Without a file there are none.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    next_step: dict[str, float] = {}
    lines = whole_lines(path, last_bytes=last_bytes)
    with closing(lines):
        for line in lines:
            row = _row(line)
            name = row.get("name")
            value = _number(row.get("value"))
            if not isinstance(name, str) or value is None or len(name) > _NAME_LENGTH:
                continue
            if name not in next_step and len(next_step) >= _MOST_NAMES:
                continue
            step = _number(row.get("step"))
            if step is None or not math.isfinite(step):
                step = next_step.get(name, 0.0)
            next_step[name] = step + 1
            yield TrialPoint(step, name, value)


def _row(line: bytes) -> dict[str, Any]:
    """As Python's own writer spells it, NaN and Infinity included."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
