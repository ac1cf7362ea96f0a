"""Collectors asked without starting a program: each question is answered from a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compose_core.sampler.collector import Conversation
from compose_core.sampler.probe import Answer

FIXTURES = Path(__file__).parents[2] / "fixtures/gpu"
Answers = Mapping[str, Answer | Callable[[list[str]], Answer]]


def recorded(name: str) -> str:
    """A file of tests/fixtures/gpu."""
    return (FIXTURES / name).read_text()


def said(output: str, status: int = 0, errors: str = "") -> Answer:
    """What a program answers."""
    return Answer(status, output, errors, 0.01)


def hold(conversation: Conversation, answers: Answers) -> list[list[str]]:
    """Lead the conversation to its end; gives what was asked. A question starts with the key of its answer."""
    asked: list[list[str]] = []
    answer: Answer | None = None
    while True:
        try:
            argv = conversation.send(answer)  # type: ignore[arg-type]
        except StopIteration:
            return asked
        asked.append(argv)
        found = next((item for key, item in answers.items() if " ".join(argv).startswith(key)), None)
        assert found is not None, f"nobody answers {argv}"
        answer = found if isinstance(found, Answer) else found(argv)


class Heard:
    """A reporter that keeps what it is told."""

    def __init__(self, node: str = "n1") -> None:
        self.node = node
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.states: list[tuple[str, str, str, float]] = []

    def row(self, file: str, at: float, fields: dict[str, Any]) -> None:
        """A row."""
        json.dumps(fields, allow_nan=False)
        self.rows.append((file, {"sampled_at": at, "node": self.node, **fields}))

    def state(self, collector: str, at: float, state: str, note: str, every_s: float) -> None:
        """How a collector did."""
        self.states.append((collector, state, note, every_s))

    def of(self, file: str) -> list[dict[str, Any]]:
        """The rows for one file."""
        return [row for name, row in self.rows if name == file]
