"""The screen as lines of text: a pure function of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from compose_core.watch.columns import Column, service_columns, task_columns
from compose_core.watch.header import footer, header
from compose_core.watch.help_text import help_lines
from compose_core.watch.log_view import log_lines, log_title
from compose_core.watch.model import Model
from compose_core.watch.shape import TABLE_WIDTH, body_height, first_shown, is_compact, list_height
from compose_core.watch.text import clean, fitted, wrapped

NAME_WIDTH = 12
"""Longer names are cut to this before a column is left out."""
_MANY_ROWS = 200
_DIVIDER = "│"


def view(model: Model, width: int, height: int) -> list[Text]:
    """Exactly `height` lines of exactly `width` cells; nothing that a job wrote can act on the terminal."""
    model = replace(model, width=width, height=height)
    if width < 1 or height < 1:
        return []
    top = header(model)
    lines = [*top, *_body(model)][: height - 1] if height > 1 else top[:1]
    lines += [Text()] * (height - 1 - len(lines))
    if height > 1:
        lines.append(footer(model))
    return [fitted(line, width) for line in lines]


def _body(model: Model) -> list[Text]:
    if model.shows_help:
        return help_lines(model)
    return _one_column(model) if is_compact(model) else _two_columns(model)


def _two_columns(model: Model) -> list[Text]:
    """Titles, then table and log side by side."""
    columns = _columns(model, list_height(model))
    left = min(TABLE_WIDTH, model.width // 2, max(20, _natural_width(columns)))
    right = model.width - left - 1
    titles = Text.assemble(_rule(_table_title(model), left), ("┬", "dim"), _rule(log_title(model), right))
    room = body_height(model)
    table = _table(model, columns, left, room)
    output = log_lines(model, right, room)
    table += [Text()] * (room - len(table))
    output += [Text()] * (room - len(output))
    return [titles, *(_joined(one, two, left, right) for one, two in zip(table, output))]


def _one_column(model: Model) -> list[Text]:
    """The list, then the log below it."""
    room = list_height(model)
    rows = _rows(model, _compact(_columns(model, room), model.width), model.width, room)
    shown = body_height(model) - room
    return [*rows, _rule(log_title(model), model.width), *log_lines(model, model.width, shown)]


def _columns(model: Model, room: int) -> list[Column]:
    """Of every row; of a long list of those alone that are seen, empty cells for the others."""
    names = model.names
    shown = _shown(model, names, room) if len(names) > _MANY_ROWS else range(len(names))
    if model.lists_tasks:
        tasks = {task.number: task for task in model.job.tasks}
        columns = task_columns([tasks[names[number]] for number in shown], model.now)
    else:
        services = {service.name: service for service in model.services}
        columns = service_columns([services[names[number]] for number in shown])
    return [column.moved(shown.start) for column in columns]


def _shown(model: Model, names: Sequence[str], room: int) -> range:
    first = first_shown(model.position, len(names), room)
    return range(first, min(len(names), first + room))


def _compact(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit, the least important ones left out first."""
    kept = list(columns)
    while len(kept) > 1 and _least_width(kept) > width:
        least = max(kept, key=lambda column: column.rank)
        if least.rank == 0:
            break
        kept.remove(least)
    return kept


def _least_width(columns: Sequence[Column]) -> int:
    """With names cut as far as they may be."""
    return _natural_width(columns) - max(0, columns[0].width - NAME_WIDTH)


def _natural_width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1


def _table(model: Model, columns: Sequence[Column], width: int, room: int) -> list[Text]:
    """Column titles, rows, and what there is to say of the selected one."""
    if room < 1:
        return []
    kept = _compact(columns, width)
    details = _details(model, width)
    rows_room = max(1, room - 1 - (len(details) + 1 if details and room > len(details) + 4 else 0))
    titles = Text(" ".join(column.padded(column.title, _width(column, kept, width)) for column in kept), style="bold")
    rows = _rows(model, kept, width, rows_room)
    used = 1 + len(rows)
    left_over = [Text(), *details] if details and room - used > len(details) else []
    return [titles, *rows, *left_over]


def _rows(model: Model, columns: Sequence[Column], width: int, room: int) -> list[Text]:
    names = model.names
    if not names:
        return [Text(_why_empty(model), style="dim")][:room]
    position = model.position
    return [_row(columns, number, width, is_selected=number == position) for number in _shown(model, names, room)]


def _row(columns: Sequence[Column], number: int, width: int, *, is_selected: bool) -> Text:
    line = Text()
    for position, column in enumerate(columns):
        cell, style = column.row(number)
        line.append(column.padded(cell, _width(column, columns, width)), style=style)
        if position < len(columns) - 1:
            line.append(" ")
    if is_selected:
        line = fitted(line, width)
        line.stylize("reverse")
    return line


def _width(column: Column, columns: Sequence[Column], width: int) -> int:
    """The first column gives way where all of them together are too wide."""
    if column is not columns[0]:
        return column.width
    rest = sum(other.width + 1 for other in columns[1:])
    return max(1, min(column.width, width - rest))


def _details(model: Model, width: int) -> list[Text]:
    if model.lists_tasks:
        task = next((task for task in model.job.tasks if task.number == model.selected), None)
        sentences: tuple[str, ...] = (task.note, f"Enter: the services of task {task.number}") if task else ()
    else:
        service = next((one for one in model.services if one.name == model.selected), None)
        sentences = service.details if service else ()
    lines = [line for sentence in sentences if sentence for line in wrapped(sentence, width)]
    return [Text(line, style="dim") for line in lines[:8]]


def _why_empty(model: Model) -> str:
    if model.filter or model.typing:
        return "no name contains that"
    return "no services yet"


def _table_title(model: Model) -> str:
    what = "tasks" if model.lists_tasks else "services"
    inside = f"task {model.open_task}: {what}" if model.task else what
    every = len(model.job.tasks) if model.lists_tasks else len(model.services)
    count = f"{len(model.names)} of {every}" if len(model.names) != every else str(every)
    return f"{inside} ({count})" + (f" /{clean(model.filter)}" if model.filter else "")


def _rule(title: str, width: int) -> Text:
    text = fitted(Text(f"─ {title} "), min(width, len(title) + 3)) if width > 0 else Text()
    text.rstrip()
    text.append(" ")
    text.append("─" * max(0, width - text.cell_len), style="dim")
    return fitted(text, width)


def _joined(left: Text, right: Text, left_width: int, right_width: int) -> Text:
    return Text.assemble(fitted(left, left_width), (_DIVIDER, "dim"), fitted(right, right_width))
