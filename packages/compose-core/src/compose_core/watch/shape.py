"""How the screen is divided: a table on the left and the log on the right, or one column where there is little room."""

from __future__ import annotations

from compose_core.watch.model import Model

NARROW, SHORT = 80, 12
"""Below so many columns or rows the screen has one column."""
TABLE_WIDTH = 58
NOTES_SHOWN = 2
_ROOMY = 10
"""From so many rows on, one column has room for more than one line about the job."""


def is_compact(model: Model) -> bool:
    """One column."""
    return model.width < NARROW or model.height < SHORT


def notes(model: Model) -> tuple[str, ...]:
    """The remarks that have room above the table."""
    found = (model.trouble, *model.job.notes) if model.trouble else model.job.notes
    if is_compact(model):
        return found[:1] if model.height >= _ROOMY else ()
    return found[:NOTES_SHOWN]


def header_height(model: Model) -> int:
    """The lines above the table; in one column those above the list."""
    if is_compact(model):
        return 1 + (model.height >= _ROOMY) + len(notes(model))
    return 3 + bool(model.metrics) + len(notes(model))


def body_height(model: Model) -> int:
    """The lines between header and footer, the headings of table and log left out."""
    return max(0, model.height - header_height(model) - 2)


def list_height(model: Model) -> int:
    """The lines of the table's rows, its column titles left out."""
    if is_compact(model):
        return min(len(model.names), max(1, body_height(model) // 3)) if body_height(model) > 1 else 0
    return max(0, body_height(model) - 1)


def log_height(model: Model) -> int:
    """The lines of output that are seen at once."""
    return body_height(model) - list_height(model) if is_compact(model) else body_height(model)


def first_shown(position: int, count: int, room: int) -> int:
    """Which of `count` rows is the first of those that are seen, so that the one at `position` is."""
    return max(0, min(position - room // 2, count - room))
