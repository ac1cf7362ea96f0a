"""Aligned columns of text, for tables of any length: no library is loaded for it, and ten thousand rows are quick."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

GAP = "  "
_LEAST = 6
"""A column that is cut keeps so many characters."""


def columns_of(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    style: Callable[[str, str], str] = lambda _cell, shown: shown,
) -> list[str]:
    """One line for the heads and one for each row; with a width, the widest columns are cut until it is kept.

    `style` gives the text that is shown for a cell, of which it gets the whole and the shown one. The last column is not
    filled up, so no line ends in blanks.
    """
    widths = [max(map(text_width, column)) for column in zip(heads, *rows)]
    if width is not None:
        widths = _cut(widths, width)
    return [_line(heads, widths, lambda _cell, shown: shown), *(_line(row, widths, style) for row in rows)]


def text_width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(widths: Sequence[int], width: int) -> list[int]:
    """The same, one column narrower at a time, the widest first and the first one last."""
    cut = list(widths)
    while sum(cut) + len(GAP) * (len(cut) - 1) > width:
        widest = max(range(len(cut)), key=lambda position: (cut[position], position))
        if cut[widest] <= _LEAST:
            break
        cut[widest] -= 1
    return cut


def _line(cells: Sequence[str], widths: Sequence[int], style: Callable[[str, str], str]) -> str:
    parts: list[str] = []
    blanks = 0
    for cell, width in zip(cells, widths):
        shown = _shortened(cell, width)
        parts.append(" " * blanks + style(cell, shown) if shown else "")
        blanks = (0 if shown else blanks) + width - text_width(shown) + len(GAP)
    return "".join(parts)


def _shortened(cell: str, width: int) -> str:
    if text_width(cell) <= width:
        return cell
    kept, taken = "", 0
    for character in cell:
        taken += _width(character)
        if taken >= width:
            break
        kept += character
    return f"{kept}…"
