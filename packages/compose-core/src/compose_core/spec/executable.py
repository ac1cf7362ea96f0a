"""Valid keys that this release reads and checks, and does not execute: using one is an error of `plan`, never silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose_core.errors import Problem
from compose_core.spec.loaded import LoadedSpec
from compose_core.spec.nodes import KeyPath, walk_plain

NOT_EXECUTED_YET: Mapping[tuple[str, ...], str] = {}
"""Key path in canonical YAML (`*`: any name) to what the key will do; a key leaves the table in the change that executes it."""


def not_executed_yet(
    loaded: LoadedSpec, table: Mapping[tuple[str, ...], str] = NOT_EXECUTED_YET
) -> tuple[Problem, ...]:
    """One error for each use of such a key, in the order of the file."""
    return tuple(
        sorted(
            _uses(loaded, table),
            key=lambda problem: (problem.where.line, problem.where.column) if problem.where else (0, 0),
        )
    )


def _uses(loaded: LoadedSpec, table: Mapping[tuple[str, ...], str]) -> Iterator[Problem]:
    for path in walk_plain(loaded.effective()):
        purpose = next((text for pattern, text in table.items() if _matches(path, pattern)), None)
        if purpose is not None:
            key = ".".join(str(part) for part in path)
            message = f"`{key}` is valid but not executed yet: it {purpose}"
            yield Problem(
                code="not-executed-yet",
                message=message,
                where=loaded.locate(key),
                remedy="Remove it to run the rest of the file.",
            )


def _matches(path: KeyPath, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(want in ("*", part) for part, want in zip(path, pattern))
