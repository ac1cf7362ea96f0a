"""The text behind `#SBATCH`, split as sbatch splits it."""

from __future__ import annotations

BLANKS = " \t\v\f\r"
"""What ends a word."""


def directive_text_words(text: str) -> list[str]:
    """The words of a directive: quotes group, a backslash keeps the next character also inside quotes, `#` begins a comment.

    A blank ends a word even after a backslash, and `#` ends it too.  Source: sbatch of Slurm 22.05, tried.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote, escaped = "", False
    for character in text:
        if not quote and character in BLANKS:
            if word is not None:
                words.append("".join(word))
            word, escaped = None, False
        elif escaped:
            word, escaped = [*(word or []), character], False
        elif character == "\\":
            word, escaped = word or [], True
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, word = character, word or []
        elif not quote and character == "#":
            break
        else:
            word = [*(word or []), character]
    if word is not None:
        words.append("".join(word))
    return words
