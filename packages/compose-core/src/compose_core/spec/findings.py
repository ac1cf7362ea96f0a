"""The problems of one file, collected while the passes go on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from compose_core.errors import Location, Problem, SpecError
from compose_core.spec.nodes import BrokenNode, KeyPath, Mark, printable
from compose_core.spec.redaction import HIDDEN, hidden_in

MAX_PROBLEMS = 200
"""A file that has more is not the file that was meant; the rest would only scroll the first ones away."""

_CUT = 4
"""Characters by which a secret is known again where a quotation of it was cut off."""


class Findings:
    """A growing list of problems."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._order: dict[str, int] = {}
        self._secrets: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """These values are written `***` in every problem, also where only their beginning is quoted."""
        self._secrets = tuple(secrets)

    @property
    def has_errors(self) -> bool:
        """At least one problem makes the file invalid."""
        return any(problem.severity == "error" for problem in self._problems)

    @property
    def is_full(self) -> bool:
        """Nothing more will be recorded, so nothing more need be found out."""
        return len(self._problems) >= MAX_PROBLEMS

    def error(self, code: str, message: str, mark: Mark, path: KeyPath = (), remedy: str = "") -> BrokenNode:
        """Record an error; what comes back may take the place of the value."""
        self.add(Problem(code=code, message=message, where=mark.at(path), remedy=remedy))
        return BrokenNode(mark)

    def warning(self, code: str, message: str, mark: Mark, path: KeyPath = (), remedy: str = "") -> None:
        """Record something that is allowed but probably not meant."""
        self.add(Problem(code=code, message=message, where=mark.at(path), remedy=remedy, severity="warning"))

    def add(self, problem: Problem) -> None:
        """Record a problem once, unless there are too many already."""
        if self.is_full:
            return
        problem = _printable(problem)
        self._problems.setdefault(problem)
        if problem.where:
            self._order.setdefault(problem.where.file, len(self._order))

    def error_places(self) -> frozenset[str]:
        """The key paths at which something is wrong."""
        return frozenset(
            problem.where.key_path for problem in self._problems if problem.severity == "error" and problem.where
        )

    def raise_errors(self) -> None:
        """Stop here when something is wrong.

        Raises: SpecError: with every problem so far, in the order of the files.
        """
        if self.has_errors:
            raise SpecError(self.in_order())

    def in_order(self) -> tuple[Problem, ...]:
        """All problems by file, line and column."""
        found = sorted(self._problems, key=self._position)
        return tuple(self._without_secrets(problem) for problem in found)

    def _without_secrets(self, problem: Problem) -> Problem:
        if not self._secrets:
            return problem
        where = problem.where
        return replace(
            problem,
            message=_hidden(problem.message, self._secrets),
            remedy=_hidden(problem.remedy, self._secrets),
            where=replace(where, key_path=_hidden(where.key_path, self._secrets)) if where else None,
        )

    def _position(self, problem: Problem) -> tuple[int, int, int]:
        where = problem.where or Location(file="", line=0)
        return (self._order.get(where.file, 0), where.line, where.column)


def _printable(problem: Problem) -> Problem:
    where = problem.where
    texts = (problem.message, problem.remedy, where.file if where else "")
    if all(text.isprintable() for text in texts):
        return problem
    place = replace(where, file=printable(where.file)) if where else None
    return replace(problem, message=printable(problem.message), remedy=printable(problem.remedy), where=place)


def _hidden(text: str, secrets: Iterable[str]) -> str:
    shown: str = hidden_in(text, secrets)
    for secret in secrets:
        if secret[:_CUT] in shown:
            shown = re.sub(re.escape(secret[:_CUT]) + r"[^…\s]*…", HIDDEN + "…", shown)
    return shown
