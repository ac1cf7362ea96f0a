"""A log as it was at an earlier moment, as far as its time index tells."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from compose_core.errors import RecordError
from compose_core.tracking.log_source import LogSource, file_begins, index_rows
from compose_core.tracking.service_logs import LogLine, lines_before

_UNTIMED = "nothing tells when these lines were written: the last ones of the whole log"


class LogHistory:
    """One log, looked at again and again for other moments."""

    def __init__(self, source: LogSource) -> None:
        """Reads the time index; what is wrong with it is told in place of the lines."""
        self._source = source
        self._fault = ""
        self._times, self._offsets = array("d"), array("q")
        self._begins: dict[int, int] = {}
        try:
            self._read_index()
        except RecordError as error:
            self._fault = error.message

    @property
    def is_timed(self) -> bool:
        """There is an index, so that what is shown is exact to its interval."""
        return len(self._times) > 0

    def place(self, at: float) -> int:
        """How many rows of the index tell of this moment: with another number, other lines are shown."""
        return bisect_right(self._times, at)

    def at(self, at: float, lines: int, *, is_end: bool = False) -> list[tuple[float, LogLine]]:
        """The last lines at this moment with their times, never one that came later; with `is_end`, of the whole log.

        Without an index, the last lines of the whole log, and a note that says so.
        """
        if self._fault:
            return [self._note(self._fault)]
        place = self.place(at)
        if self.is_timed and not place and not is_end:
            return []
        end = self._offsets[place - 1] if self.is_timed and not is_end else None
        try:
            found = lines_before(self._source, end, lines=lines, begins=self._begins)
        except RecordError as error:
            return [self._note(error.message)]
        if self.is_timed:
            return self._timed(found, self._offsets[-1] if end is None else end)
        return [self._note(_UNTIMED), *((0.0, line) for line in found)] if found else []

    def _note(self, text: str) -> tuple[float, LogLine]:
        return 0.0, LogLine(service=self._source.name, text=text, is_note=True)

    def _timed(self, lines: Sequence[LogLine], end: int) -> list[tuple[float, LogLine]]:
        """Each with the time of the first row of the index that counts it."""
        timed = []
        for line in reversed(lines):
            place = min(bisect_left(self._offsets, end), len(self._times) - 1)
            timed.append((self._times[place], line))
            end -= len(line.raw) + 1
        return timed[::-1]

    def _read_index(self) -> None:
        latest, longest = 0.0, 0
        for at, offset in index_rows(self._source):
            latest, longest = max(latest, at), max(longest, offset)  # a clock that was set back, a log that was emptied
            self._times.append(latest)
            self._offsets.append(longest)
        self._begins = file_begins(self._source)


def merged(logs: Sequence[LogHistory], at: float, lines: int, *, is_end: bool = False) -> list[LogLine]:
    """The last lines of several logs at this moment, in the order of their times."""
    found = [log.at(at, lines, is_end=is_end) for log in logs]
    in_order = heapq.merge(*found, key=lambda pair: pair[0])
    return [line for _, line in in_order][-lines:]
