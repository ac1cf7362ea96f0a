"""The account of a conversion: one line per thing that a person may want to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from compose_core.spec.nodes import KeyPath, Mark, path_text

NoteKind = Literal["converted", "changed", "manual"]
"""Taken over as it is meant · taken over, but it means something else now · left to a person."""


@dataclass(frozen=True, kw_only=True, order=True)
class Note:
    """What became of one key."""

    file: str
    line: int
    kind: NoteKind
    key_path: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "kind": self.kind,
            "file": self.file,
            "line": self.line,
            "key_path": self.key_path,
            "message": self.message,
        }


class Notes:
    """Collects the account while the file is converted."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def converted(self, mark: Mark, path: KeyPath, message: str) -> None:
        """It means the same as before."""
        self._add("converted", mark, path, message)

    def changed(self, mark: Mark, path: KeyPath, message: str) -> None:
        """It was taken over, and means something else."""
        self._add("changed", mark, path, message)

    def manual(self, mark: Mark, path: KeyPath, message: str) -> None:
        """Somebody has to look at it."""
        self._add("manual", mark, path, message)

    def _add(self, kind: NoteKind, mark: Mark, path: KeyPath, message: str) -> None:
        note = Note(file=mark.file, line=mark.line, kind=kind, key_path=path_text(path), message=message)
        self._notes[note] = None

    def in_order(self) -> tuple[Note, ...]:
        """By file and line."""
        return tuple(sorted(self._notes))


def of_kind(notes: Iterable[Note], kind: NoteKind) -> list[Note]:
    """Those of one kind."""
    return [note for note in notes if note.kind == kind]
