"""Text of a job made fit for one place on the screen."""

from __future__ import annotations

import textwrap

from rich.text import Text

from compose_core.terminal_text import terminal_text

_TAB = 8
_LOOKED_AT = 16
"""Of a long line so many characters per cell are looked at: escape sequences may take most of them."""


def clean(text: str, width: int = 1000) -> str:
    """As visible characters on one line; of a long one as much as `width` cells may need."""
    return terminal_text(text[: width * _LOOKED_AT]).expandtabs(_TAB)[: width * 4]


def fitted(text: Text, width: int) -> Text:
    """A copy of exactly so many cells: cut with an ellipsis, or filled up."""
    text = text.copy()
    text.truncate(max(0, width), overflow="ellipsis", pad=True)
    if text.cell_len < width:  # a wide character that was cut in two
        text.pad_right(width - text.cell_len)
    return text


def wrapped(sentence: str, width: int) -> list[str]:
    """The sentence in lines."""
    return textwrap.wrap(clean(sentence), max(8, width)) or [""]
