"""One row per figure: how often it was tried, what it has to be, what it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PROPERTY = "fault figure"
Tell = Callable[[str, object], None]
"""Takes a property of a test to the end of the session."""


@dataclass
class Figure:
    """One row of the table, or a part of it."""

    name: str
    goal: int = 0
    got: int = 0
    """How many trials ended as they must not."""
    trials: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    """What ended as it must not."""

    @property
    def is_met(self) -> bool:
        """The figure is what it has to be."""
        return self.got == self.goal and self.trials > 0

    @contextmanager
    def trial(self, what: str) -> Iterator[None]:
        """One trial; an assertion that fails in it is a fault, and the next trial goes on."""
        self.trials += 1
        try:
            yield
        except AssertionError as error:
            self.got += 1
            self.faults.append(f"{what}: {error}")


@contextmanager
def measured(tell: Tell, name: str) -> Iterator[Figure]:
    """A figure whose trials run in the block; it is told to the table, and the test fails when it misses its goal."""
    figure = Figure(name)
    started = time.monotonic()
    try:
        yield figure
    finally:
        figure.seconds = time.monotonic() - started
        tell(PROPERTY, json.dumps(vars(figure)))
    assert figure.is_met, "\n".join([f"{name}: {figure.got} of {figure.trials}", *figure.faults[:5]])


def added_up(parts: Iterable[Figure]) -> list[Figure]:
    """One figure per name, in the order in which the names came."""
    whole: dict[str, Figure] = {}
    for part in parts:
        row = whole.setdefault(part.name, Figure(part.name, part.goal))
        row.got += part.got
        row.trials += part.trials
        row.seconds += part.seconds
    return list(whole.values())


def as_lines(figures: Iterable[Figure]) -> list[str]:
    """The table as text."""
    rows = [("figure", "trials", "goal", "got", "time")]
    rows += [(one.name, str(one.trials), str(one.goal), str(one.got), f"{one.seconds:.0f} s") for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [f"{row[0]:<{widths[0]}}  " + "  ".join(f"{row[at]:>{widths[at]}}" for at in range(1, 5)) for row in rows]
