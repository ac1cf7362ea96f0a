"""What was sampled up to an earlier moment: the places of samples in their files, and the rows read when they are asked for."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from contextlib import closing

from compose_core.errors import RecordError
from compose_core.records.byte_range import byte_range
from compose_core.records.json_text import JsonObject
from compose_core.records.line_stream import placed_lines
from compose_core.records.metrics import MetricsFile, metric_row, metrics_file
from compose_core.records.our_path import OurPath

READ_BYTES = 512 * 1024 * 1024
"""Of a larger file its end is read."""
_WINDOW_S = 30.0
"""The rows of so many seconds before the latest one tell of all devices."""
_WINDOW_BYTES = 256 * 1024
_AT = re.compile(rb'\{"sampled_at": ?([0-9]{1,11}(?:\.[0-9]{1,9})?)[,}]')


class SampleFile:
    """The samples of one file of `metrics/`."""

    def __init__(self, folder: OurPath, name: MetricsFile) -> None:
        """Finds where the samples stand.

        Raises: RecordError: the file cannot be read, or is not a regular file of ours.
        """
        self._path = metrics_file(folder, name)
        self._times, self._begins, self._ends = array("d"), array("q"), array("q")
        latest = float("-inf")
        lines = placed_lines(self._path, last_bytes=READ_BYTES)
        with closing(lines):
            for begin, line in lines:
                at = _sampled_at(line)
                if at is None:
                    continue
                if at > latest:
                    latest = at
                    self._times.append(at)
                    self._begins.append(begin)
                    self._ends.append(begin)
                self._ends[-1] = begin + len(line)

    def __len__(self) -> int:
        """How many moments were sampled."""
        return len(self._times)

    @property
    def is_cut(self) -> bool:
        """Its beginning was left out, because it is too large."""
        return bool(self._ends) and self._ends[-1] > READ_BYTES

    def place(self, at: float) -> int:
        """The number of the latest sample at this moment; -1 before the first one."""
        return bisect_right(self._times, at) - 1

    def rows(self, place: int) -> list[JsonObject]:
        """The rows up to this sample, of as many seconds as tell of all devices; none for -1.

        Raises: RecordError: the file cannot be read any more.
        """
        if place < 0:
            return []
        first = bisect_left(self._times, self._times[place] - _WINDOW_S)
        end = self._ends[place]
        begin = max(self._begins[first], end - _WINDOW_BYTES)
        lines = byte_range(self._path, begin, end).split(b"\n")
        if begin > self._begins[first]:
            lines = lines[1:]  # the rest of a line
        found = (metric_row(line) for line in lines)
        return [row for row in found if row is not None and row["sampled_at"] <= self._times[place]]


class MetricHistory:
    """All that was sampled of one attempt."""

    def __init__(self, folder: OurPath) -> None:
        """Finds where the samples stand; a file that cannot be read is told in `faults`."""
        self.faults: list[str] = []
        self._files: dict[MetricsFile, SampleFile] = {}
        names: tuple[MetricsFile, ...] = ("gpu", "cpu", "slurm")
        for name in names:
            try:
                self._files[name] = SampleFile(folder, name)
            except RecordError as error:
                self.faults.append(error.message)
            else:
                if self._files[name].is_cut:
                    self.faults.append(f"the beginning of {name}.jsonl is left out: it is too large")

    @property
    def count(self) -> int:
        """How many moments were sampled."""
        return sum(map(len, self._files.values()))

    def places(self, at: float) -> tuple[int, ...]:
        """Tells two moments apart that have other figures."""
        return tuple(file.place(at) for file in self._files.values())

    def rows(self, at: float) -> dict[MetricsFile, list[JsonObject]]:
        """The latest rows of each file at this moment, never one that came later."""
        found: dict[MetricsFile, list[JsonObject]] = {}
        for name, file in self._files.items():
            try:
                found[name] = file.rows(file.place(at))
            except RecordError:
                found[name] = []  # it was removed meanwhile
        return found


def _sampled_at(line: bytes) -> float | None:
    match = _AT.match(line)
    if match:
        return float(match[1])
    row = metric_row(line)
    return None if row is None else float(row["sampled_at"])
