"""The options that a job gets from its script's `#SBATCH` lines and from the command line, read as sbatch reads them."""

from __future__ import annotations

from collections.abc import Sequence

_SHORT = {
    "A": "account",
    "D": "chdir",
    "J": "job-name",
    "N": "nodes",
    "c": "cpus-per-task",
    "e": "error",
    "i": "input",
    "n": "ntasks",
    "o": "output",
    "p": "partition",
    "q": "qos",
    "t": "time",
}
"""The short options whose value somebody here asks for; others are kept under their letter."""
_SHORT_FLAGS = frozenset("HIOQWhksvV")


def job_options(script_text: str, extra_args: Sequence[str] = ()) -> dict[str, str]:
    """Long option without dashes to value, `""` for a flag; the command line wins over the script.

    Source: sbatch(1): directives after the first command are ignored.
    """
    return {**_options(directive_words(script_text)), **_options(extra_args)}


def directive_words(script_text: str) -> list[str]:
    """The words of all `#SBATCH` lines before the first command."""
    words: list[str] = []
    for line in script_text.splitlines():
        if line.startswith("#SBATCH") and line[7:8].isspace():
            words.extend(_words(line[7:]))
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return words


def _words(text: str) -> list[str]:
    """The words of a directive: quotes group, a backslash keeps the next character, ` #` begins a comment."""
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            word = [*(word or []), next(characters, "")]
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = [*(word or []), character]
        elif character in "'\"":
            quote, word = character, word or []
        elif character.isspace():
            if word is not None:
                words.append("".join(word))
            word = None
        elif character == "#" and word is None:
            break
        else:
            word = [*(word or []), character]
    if word is not None:
        words.append("".join(word))
    return words


def _options(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        following = words[position + 1] if position + 1 < len(words) else None
        position += 1
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            takes_next = not equals and following is not None and not following.startswith("-")
        elif word.startswith("-") and len(word) > 1:
            name, value = _SHORT.get(word[1], word[1]), word[2:].removeprefix("=")
            takes_next = not value and word[1] not in _SHORT_FLAGS and following is not None
        else:
            continue
        if takes_next and following is not None:
            value = following
            position += 1
        found[name] = value
    return found
