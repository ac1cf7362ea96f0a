"""A figure over time in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = " "


def sparkline(values: Sequence[float | None], *, top: float) -> str:
    """One character for each value, from 0 to `top`; a blank where nothing is known."""
    return "".join(_NOTHING if value is None else _bar(value, top) for value in values)


def _bar(value: float, top: float) -> str:
    if top <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(value / top * len(_BARS)))]
