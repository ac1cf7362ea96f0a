"""A figure over time in a bounded number of points, however many samples there are."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

POINTS = 480
"""Kept at most; twice the columns of a wide terminal, and enough for a plot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one stretch of time is like."""

    at: float
    """Epoch seconds, the mean time of its samples."""
    mean: float
    highest: float


@dataclass(slots=True)
class Series:
    """Takes samples one by one, in about the order of time; when the points run out, neighbours are put together.

    A stretch without a sample has no point.
    """

    points_kept: int = POINTS
    width_s: float = 1.0
    """Of one stretch, by now."""
    _begin: float | None = None
    _sums: array[float] = field(default_factory=lambda: array("d"))
    _weights: array[float] = field(default_factory=lambda: array("d"))
    _times: array[float] = field(default_factory=lambda: array("d"))
    _highest: array[float] = field(default_factory=lambda: array("d"))

    def add(self, at: float, value: float, weight: float = 1.0) -> None:
        """A sample; one from before the first counts as of the first stretch.

        With a weight, `value` is an amount (CPU seconds) and `weight` what it is shared over (seconds): the mean is their ratio.
        """
        if self._begin is None:
            self._begin = at
        place = int((at - self._begin) / self.width_s) if at > self._begin else 0
        while place >= self.points_kept:
            self._halve()
            place //= 2
        if place >= len(self._sums):
            missing = place + 1 - len(self._sums)
            for column in (self._sums, self._weights, self._times):
                column.extend([0.0] * missing)
            self._highest.extend([-math.inf] * missing)
        self._sums[place] += value
        self._weights[place] += weight
        self._times[place] += (at - self._begin) * weight
        rate = value / weight if weight else value
        if rate > self._highest[place]:
            self._highest[place] = rate

    def points(self) -> tuple[Point, ...]:
        """Those stretches that have samples, in order."""
        begin = self._begin or 0.0
        return tuple(
            Point(at=begin + times / weight, mean=total / weight, highest=highest)
            for total, weight, times, highest in zip(self._sums, self._weights, self._times, self._highest)
            if weight > 0
        )

    def _halve(self) -> None:
        self.width_s *= 2
        for column in (self._sums, self._weights, self._times):
            column.extend([0.0] * (len(column) % 2))
            column[:] = array("d", [column[place] + column[place + 1] for place in range(0, len(column), 2)])
        top = self._highest
        top.extend([-math.inf] * (len(top) % 2))
        top[:] = array("d", [max(top[place], top[place + 1]) for place in range(0, len(top), 2)])


def squeezed(points: tuple[Point, ...], count: int, *, begin: float, end: float) -> list[float | None]:
    """The means in `count` equal stretches between two moments; None where there is no sample."""
    sums, numbers = [0.0] * count, [0] * count
    span = max(end - begin, 1e-9)
    for point in points:
        place = min(count - 1, max(0, int((point.at - begin) / span * count)))
        sums[place] += point.mean
        numbers[place] += 1
    return [total / number if number else None for total, number in zip(sums, numbers)]
