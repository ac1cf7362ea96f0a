"""What a compose file is refused or warned for, from the cases that the tests hold the program to."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from compose_core.errors import Problem, SpecError
from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import Either, Kind, ListOf, MapOf, Section, Typed
from tests.core.spec.test_cases import Row, load, rows

OF_ANY_KEY = frozenset(
    {
        "alias",
        "choice",
        "control-character",
        "default-used",
        "duplicate-key",
        "empty",
        "empty-value",
        "format",
        "invalid-placeholder",
        "merge-key",
        "missing-variable",
        "non-string-key",
        "not-utf-8",
        "out-of-range",
        "required",
        "required-variable",
        "tag",
        "type",
        "unknown-key",
        "unsupported-key",
    }
)
"""What follows from what a key holds; the tables do not repeat it at each key."""


class Refusal(NamedTuple):
    """One finding of one case."""

    row: Row
    problem: Problem


@cache
def refusals() -> tuple[Refusal, ...]:
    """Every finding of every case, in the order of the cases."""
    found = []
    for number, case in enumerate([*rows("invalid"), *rows("valid")]):
        row = case.values[0]
        with tempfile.TemporaryDirectory(prefix=f"refusals-{number}-") as folder:
            found += [Refusal(row, problem) for problem in _problems(row, Path(folder))]
    return tuple(found)


def _problems(row: Row, folder: Path) -> tuple[Problem, ...]:
    try:
        return load(row, folder).warnings
    except SpecError as error:
        return error.problems


@cache
def rules_of_keys() -> dict[tuple[str, str], tuple[str, ...]]:
    """Section and key to the codes of the rules that were seen to find something there."""
    found: dict[tuple[str, str], set[str]] = {}
    for refusal in refusals():
        place = refusal.problem.where.key_path if refusal.problem.where else ""
        if refusal.problem.code not in OF_ANY_KEY and (key := key_at(place)):
            found.setdefault(key, set()).add(refusal.problem.code)
    return {key: tuple(sorted(codes)) for key, codes in found.items()}


def key_at(key_path: str) -> tuple[str, str] | None:
    """The section and the key in which a place of a file lies; None for one that the grammar does not know."""
    kind: Kind = COMPOSE
    last: tuple[str, str] | None = None
    for part in re.sub(r"\[\d+\]", "", key_path).split("."):
        below = dict(_below(kind)).get(part) or dict(_below(kind)).get("*")
        if below is None:
            return last
        kind, section = below
        last = (section, part) if section else last
    return last


def _below(kind: Kind) -> Iterator[tuple[str, tuple[Kind, str]]]:
    """Each key that may follow, with what it holds and the section that it belongs to; `*` is any name."""
    if isinstance(kind, Section):
        yield from ((key, (entry.kind, kind.name)) for key, entry in kind.entries.items())
    elif isinstance(kind, Typed):
        for section in kind.sections.values():
            yield from _below(section)
    elif isinstance(kind, ListOf):
        yield from _below(kind.item)
    elif isinstance(kind, MapOf):
        yield "*", (kind.value, "")
    elif isinstance(kind, Either):
        yield from _below(kind.mapping)
