"""The columns of the table: services, or the tasks of an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size

from compose_core.units import format_duration
from compose_core.watch.colours import colour_of_state
from compose_core.watch.model import ServiceView, TaskView
from compose_core.watch.text import clean

_READY = {None: "-", True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column with all its cells."""

    title: str
    cells: tuple[str, ...]
    styles: tuple[str, ...]
    rank: int = 0
    """Where there is too little room, columns of higher rank are left out first; those of rank 0 never."""
    most: int = 40
    first: int = 0
    """The number of the row that the first cell belongs to."""

    def moved(self, first: int) -> Column:
        """The same cells for rows from this one on."""
        return replace(self, first=first)

    def row(self, number: int) -> tuple[str, str]:
        """The cell of a row and its style; empty for a row that the column was not made for."""
        inside = number - self.first
        return (self.cells[inside], self.styles[inside]) if 0 <= inside < len(self.cells) else ("", "")

    @property
    def width(self) -> int:
        """As wide as its widest cell, up to `most`."""
        return min(self.most, max([len(self.title), *map(cell_len, self.cells)]))

    def padded(self, cell: str, width: int) -> str:
        """The cell in exactly so many cells of the screen."""
        return set_cell_size(cell[: width - 1] + "…" if cell_len(cell) > width > 1 else cell, width)


def service_columns(services: Sequence[ServiceView]) -> list[Column]:
    """One row per service."""
    return [
        _column("SERVICE", [clean(one.name) for one in services], most=24),
        _column("STEP", [clean(one.step) or "-" for one in services], rank=3, most=16),
        _column("PID", [str(one.pid) if one.pid else "-" for one in services], rank=4),
        _column("READY", [_READY[one.ready] for one in services], rank=1),
        _column("STATE", [clean(one.status) for one in services], is_state=True),
        _column("RESTARTS", [str(one.restarts) for one in services], rank=2),
        _column("EXIT", ["-" if one.exit_code is None else str(one.exit_code) for one in services], rank=1),
    ]


def task_columns(tasks: Sequence[TaskView], now: float) -> list[Column]:
    """One row per task."""
    return [
        _column("TASK", [task.number for task in tasks]),
        _column("STATE", [clean(task.state) for task in tasks], is_state=True, most=20),
        _column("TIME", [_elapsed(task, now) for task in tasks], rank=1),
        _column("EXIT", ["-" if task.exit_code is None else str(task.exit_code) for task in tasks], rank=2),
        _column("SERVICES", [_services(task) for task in tasks], rank=3, most=24),
    ]


def _column(title: str, cells: list[str], *, rank: int = 0, most: int = 40, is_state: bool = False) -> Column:
    styles = tuple(colour_of_state(cell) if is_state else "" for cell in cells)
    return Column(title, tuple(cells), styles, rank, most)


def _elapsed(task: TaskView, now: float) -> str:
    if task.started_at is None:
        return "-"
    return format_duration(max(0.0, (now if task.ended_at is None else task.ended_at) - task.started_at))


def _services(task: TaskView) -> str:
    return clean(" ".join(f"{one.name}={one.status}" for one in task.services)) or "-"
