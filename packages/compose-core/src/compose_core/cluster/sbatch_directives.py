"""The options that a job gets from its script's `#SBATCH` lines and from the command line, read as sbatch reads them."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.directive_text import BLANKS, directive_text_words

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
    for line in script_text.split("\n"):
        if line.startswith("#SBATCH") and line[7:8] and line[7] in BLANKS:
            words.extend(directive_text_words(line[7:]))
        elif line.strip() and not line.lstrip().startswith("#"):
            break
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
