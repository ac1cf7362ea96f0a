"""The values of a parameter that is given as a range: one drawn from each of its even slices, as text."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import overload

from compose_core.errors import HpccError
from compose_core.spec.models import ParameterRange

_MOST_WHOLE_LOGARITHMIC = 100_000


def range_values(name: str, values: ParameterRange, seed: str) -> Sequence[str]:
    """The values, which go up and differ; a value is drawn when it is asked for, with the seed and its place.

    Raises: HpccError: a range of whole numbers does not hold so many.
    """
    if not values.integer:
        return _Sampled(name, values, seed)
    first, last = math.ceil(values.start), math.floor(values.stop)
    there = max(0, last - first + 1)
    if values.samples > there or (values.log and values.samples > _MOST_WHOLE_LOGARITHMIC):
        most = min(there, _MOST_WHOLE_LOGARITHMIC) if values.log else there
        raise HpccError(
            f"the parameter '{name}' asks for {values.samples} whole numbers from {values.start:g} to {values.stop:g}; "
            f"{most} can be had",
            remedy="Ask for fewer samples, or widen the range.",
            code="sweep-range",
        )
    return _logarithmic(name, values, seed, first, last) if values.log else _Whole(name, values, seed, first, there)


class _Sampled(Sequence[str]):
    """Numbers, one from each slice of the range or of its logarithm."""

    def __init__(self, name: str, values: ParameterRange, seed: str) -> None:
        self._values = values
        self._prefix = _prefix(name, seed)
        self._digits = _digits(values)

    def __len__(self) -> int:
        return self._values.samples

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        values = self._values
        share = (place + 0.999 * _fraction(self._prefix, place)) / values.samples
        if values.log:
            number = math.exp(math.log(values.start) + share * math.log(values.stop / values.start))
        else:
            number = values.start + share * (values.stop - values.start)
        return f"{number:.{self._digits}g}"


class _Whole(Sequence[str]):
    """Whole numbers, one from each slice of the range."""

    def __init__(self, name: str, values: ParameterRange, seed: str, first: int, there: int) -> None:
        self._samples, self._first, self._there = values.samples, first, there
        self._prefix = _prefix(name, seed)

    def __len__(self) -> int:
        return self._samples

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        low, high = place * self._there // self._samples, (place + 1) * self._there // self._samples
        return str(self._first + low + int(_fraction(self._prefix, place) * (high - low)))


def _logarithmic(name: str, values: ParameterRange, seed: str, first: int, last: int) -> tuple[str, ...]:
    """Whole numbers from slices of the logarithm, which hold less than one number at the lower end: those are taken in turn."""
    prefix = _prefix(name, seed)
    found: list[int] = []
    for place in range(values.samples):
        share = (place + _fraction(prefix, place)) / values.samples
        number = int(math.exp(math.log(first) + share * math.log((last + 1) / first)))
        lowest = found[-1] + 1 if found else first
        found.append(min(max(number, lowest), last - (values.samples - place - 1)))
    return tuple(map(str, found))


def _digits(values: ParameterRange) -> int:
    """Enough that two neighbours differ; six for a usual range."""
    if values.log:
        step = math.log(values.stop / values.start) / values.samples
    else:
        step = (values.stop - values.start) / values.samples / max(abs(values.start), abs(values.stop))
    return min(17, max(6, math.ceil(-math.log10(step)) + 4))


def _prefix(name: str, seed: str) -> bytes:
    return f"{seed}\0{name}\0".encode("utf-8", "surrogateescape")


def _fraction(prefix: bytes, place: int) -> float:
    """A number from 0 to below 1."""
    digest = hashlib.sha256(prefix + place.to_bytes(8, "big")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
