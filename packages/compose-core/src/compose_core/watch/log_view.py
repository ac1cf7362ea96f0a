"""The log pane as lines."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from compose_core.tracking.log_lines import LogLine
from compose_core.units import counted
from compose_core.watch.colours import colour_of, colour_of_line, service_colours, service_of
from compose_core.watch.model import Model
from compose_core.watch.text import clean


def log_title(model: Model) -> str:
    """Whose output it is, and whether it is followed."""
    pane = model.log
    parts = [_whose(model)]
    if pane.is_paused:
        parts.append("PAUSED")
        parts += [f"{counted(pane.back, 'line')} back"] if pane.back else []
        parts += [f"{pane.came:,} new"] if pane.came else []
    elif model.mode == "live" and not model.is_held:
        parts.append("following")
    if pane.skipped:
        parts.append(f"{pane.skipped:,} left out")
    return " · ".join(parts)


def log_lines(model: Model, width: int, height: int) -> list[Text]:
    """The newest lines that have room, or those that the pane is scrolled back to."""
    if height < 1:
        return []
    pane = model.log
    is_named = pane.choice.service is None
    open_line = [] if pane.is_paused or not pane.open_line else [LogLine(service="", text=pane.open_line)]
    end = len(pane.lines) - pane.back
    shown = [*pane.lines[max(0, end - height) : end], *open_line][-height:]
    if not shown:
        return [Text("no output yet" if model.mode == "live" else "no output", style="dim")]
    colours = service_colours([service.name for service in model.services]) if is_named else {}
    return [_line(line, width, colours, is_named=is_named) for line in shown]


def _line(line: LogLine, width: int, colours: Mapping[str, str], *, is_named: bool) -> Text:
    text = clean(line.text, max(1, width))
    found = Text()
    if is_named and line.service:
        found.append(
            f"[{clean(line.service)}] ", style=colours.get(service_of(line.service)) or colour_of(line.service)
        )
    if line.is_note:
        return found.append(f"[{text}]", style="dim")
    return found.append(f"{text} …" if line.is_cut else text, style=colour_of_line(text))


def _whose(model: Model) -> str:
    choice = model.log.choice
    task = f"task {choice.task}" if choice.task is not None else ""
    if choice.service is not None:
        return f"{task} {clean(choice.service)}".strip()
    if model.lists_tasks and choice.task is None:
        return "output of all tasks"
    return f"{task}: all services" if task else "all services"
