"""Colours that people tell apart, also those who do not see red and green, on white paper."""

from __future__ import annotations

LINES = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#555555"),
    *("#3969AC", "#B8860B"),
)
"""Source: Okabe and Ito, Color Universal Design; two more that differ from those."""
GOOD = "#009E73"
BAD = "#C0392B"
RUNNING = "#56B4E9"
LIMIT = "#888888"
MARK = "#999999"
DASHES = ("solid", "dash", "dot")


def line_style(number: int) -> tuple[str, str]:
    """Colour and dash (`solid`, `dash`, `dot`) of the n-th line: 30 that differ."""
    return LINES[number % len(LINES)], DASHES[number // len(LINES) % len(DASHES)]
