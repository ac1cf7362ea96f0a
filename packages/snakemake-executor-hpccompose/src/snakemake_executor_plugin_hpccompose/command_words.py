"""The words of the command lines that Snakemake makes for its inner processes."""

from __future__ import annotations

import ast
import re
import shlex

_LITERAL = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?=\s|$)""", re.DOTALL)
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)


def words_of(text: str) -> tuple[str, ...]:
    """The words as they were meant.

    Texts are written there as Python writes them, paths as a shell reads them. Both are the same until a value holds a backslash,
    a line break, or both kinds of quotes: then a shell reads something else, or nothing.

    Raises: ValueError: a quote is not closed.
    """
    words, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        literal = _LITERAL.match(text, at)
        word = _meant(literal[1]) if literal else None
        if literal and word is not None:
            words.append(word)
            at = literal.end()
            continue
        found = _WORD.match(text, at)
        if found is None:
            raise ValueError(f"no closing quotation in {text[at : at + 60]!r}")
        words += shlex.split(found[0])
        at = found.end()
    return tuple(words)


def _meant(literal: str) -> str | None:
    """The text, if Python would write it just so."""
    try:
        value = ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, str) and repr(value) == literal else None
