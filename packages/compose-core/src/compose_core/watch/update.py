"""What a key, a look at the job or new output changes in the model: pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from compose_core.tracking.log_lines import LogLine
from compose_core.watch.model import LINES_KEPT, JobView, Leaving, LogChoice, LogPane, Model
from compose_core.watch.shape import log_height

FILTER_LENGTH = 64
_NEXT_COMMANDS: dict[str, Leaving] = {"d": "debug", "l": "logs", "s": "stats"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key: the character that it types, else its name (`down`, `pageup`, `ctrl+c`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Resized:
    """The terminal has another size."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""

    now: float


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A look at the job."""

    job: JobView


@dataclass(frozen=True, slots=True)
class MetricsSeen:
    """The latest figures."""

    line: str


@dataclass(frozen=True, slots=True)
class Troubled:
    """Looking failed, and why; an empty text says that it works again."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSeen:
    """New output of what the log pane shows."""

    choice: LogChoice
    lines: tuple[LogLine, ...] = ()
    open_line: str = ""
    skipped: int = 0
    """Lines before these that were left out."""
    is_fresh: bool = False
    """These replace what was there: the choice has just been made."""


Event: TypeAlias = Key | Resized | Ticked | JobSeen | MetricsSeen | Troubled | OutputSeen


def update(model: Model, event: Event) -> Model:
    """The model after the event."""
    match event:
        case Key(name):
            return _with_choice(_pressed(model, name))
        case JobSeen(job):
            return _with_choice(_seen(model, job))
        case OutputSeen():
            return replace(model, log=with_output(model.log, event))
        case Resized(width, height):
            return _clamped(replace(model, width=width, height=height))
        case Ticked(now):
            return replace(model, now=now)
        case MetricsSeen(line):
            return replace(model, metrics=line)
        case Troubled(text):
            return replace(model, trouble=text)


def with_output(pane: LogPane, event: OutputSeen) -> LogPane:
    """The pane with new lines; a paused one keeps showing what it showed."""
    if event.choice != pane.choice:
        return pane  # it was asked for before another choice was made
    if event.is_fresh:
        return replace(pane, lines=event.lines[-LINES_KEPT:], open_line=event.open_line)
    pane = replace(pane, skipped=pane.skipped + event.skipped, open_line=event.open_line)
    lines = (_gap(event.skipped), *event.lines) if event.skipped else event.lines
    if not pane.is_paused:
        return replace(pane, lines=_newest(pane.lines, lines))
    came = pane.came + len(event.lines) + event.skipped
    return replace(pane, waiting=_newest(pane.waiting, lines), came=came)


def resumed(pane: LogPane) -> LogPane:
    """The pane at its newest lines, following."""
    lines = _newest(pane.lines, pane.waiting)
    return replace(pane, lines=lines, waiting=(), came=0, is_paused=False, back=0)


def _gap(skipped: int) -> LogLine:
    return LogLine(service="", text=f"{skipped:,} {'line' if skipped == 1 else 'lines'} left out", is_note=True)


def _newest(known: tuple[LogLine, ...], new: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    if not new:
        return known
    return (*known, *new)[-LINES_KEPT:]


def _seen(model: Model, job: JobView) -> Model:
    model = replace(model, job=job)
    if model.mode == "replay":
        return model
    if not job.terminal:
        return replace(model, is_held=False)
    if model.hold == "always" or (model.hold == "failure" and job.failed):
        return model if model.is_held else _at_what_failed(replace(model, is_held=True))
    return replace(model, leaving=model.leaving or "ended")


def _at_what_failed(model: Model) -> Model:
    """The first service or task that failed is selected, so that its output is what is seen."""
    failed = [task.number for task in model.job.tasks if task.failed] if model.lists_tasks else []
    failed += [service.name for service in model.services if service.status == "failed"]
    listed = frozenset(model.names)
    return replace(model, selected=next((name for name in failed if name in listed), model.selected))


def _with_choice(model: Model) -> Model:
    """The selection on a listed name, and a log pane for what is chosen."""
    names = model.names
    if names and model.selected not in names:
        model = replace(model, selected=names[0])
    choice = model.choice
    return model if model.log.choice == choice else replace(model, log=LogPane(choice=choice))


def _pressed(model: Model, key: str) -> Model:
    if key == "ctrl+c":
        return replace(model, leaving="interrupt")
    if model.typing is not None:
        return _typed(model, key)
    if model.shows_help and key in {"escape", "enter", "q"}:
        return replace(model, shows_help=False)
    if model.is_held and key in _NEXT_COMMANDS:
        return replace(model, leaving=_NEXT_COMMANDS[key])
    act = _KEYS.get(key)
    return act(model) if act else model


def _typed(model: Model, key: str) -> Model:
    """The filter while it is being typed: Enter applies it, Esc leaves it as it was."""
    typed = model.typing or ""
    if key == "enter":
        return replace(model, filter=typed, typing=None)
    if key == "escape":
        return replace(model, typing=None)
    if key in {"backspace", "ctrl+h"}:
        return replace(model, typing=typed[:-1])
    if key == "ctrl+u":
        return replace(model, typing="")
    if len(key) == 1 and key.isprintable():
        return replace(model, typing=(typed + key)[:FILTER_LENGTH])
    return model


def _moved(model: Model, position: int) -> Model:
    names = model.names
    if not names:
        return model
    return replace(model, selected=names[max(0, min(position, len(names) - 1))])


def _scrolled(model: Model, lines: int) -> Model:
    """Back in the log by so many lines; going back pauses it."""
    pane = model.log
    if not pane.is_paused:
        if lines < 0:
            return model
        pane = replace(pane, is_paused=True)
    return _clamped(replace(model, log=replace(pane, back=pane.back + lines)))


def _clamped(model: Model) -> Model:
    """Not scrolled further than there are lines."""
    most = max(0, len(model.log.lines) - log_height(model))
    return replace(model, log=replace(model.log, back=max(0, min(model.log.back, most))))


def _page(model: Model) -> int:
    return max(1, log_height(model) - 1)


def _paused_or_resumed(model: Model) -> Model:
    pane = model.log
    return replace(model, log=resumed(pane) if pane.is_paused else replace(pane, is_paused=True))


def _opened(model: Model) -> Model:
    """Enter on a task lists its services."""
    if not model.lists_tasks or not model.names:
        return model
    return replace(model, open_task=model.names[model.position], selected="", filter="", shows_all=False)


def _closed(model: Model) -> Model:
    """Esc goes one step back: to all names, then to the list of tasks."""
    if model.filter:
        return replace(model, filter="")
    if model.task:
        return replace(model, selected=model.task.number, open_task=None, shows_all=False)
    return model


_KEYS: dict[str, Callable[[Model], Model]] = {
    **dict.fromkeys(("j", "down", "tab"), lambda model: _moved(model, model.position + 1)),
    **dict.fromkeys(("k", "up"), lambda model: _moved(model, model.position - 1)),
    "g": lambda model: _moved(model, 0),
    "G": lambda model: _moved(model, len(model.names) - 1),
    "/": lambda model: replace(model, typing=""),
    " ": _paused_or_resumed,
    "pageup": lambda model: _scrolled(model, _page(model)),
    "pagedown": lambda model: _scrolled(model, -_page(model)),
    "end": lambda model: replace(model, log=resumed(model.log)),
    "a": lambda model: replace(model, shows_all=not model.shows_all),
    "?": lambda model: replace(model, shows_help=not model.shows_help),
    "enter": _opened,
    "escape": _closed,
    "q": lambda model: replace(model, leaving="quit"),
}
