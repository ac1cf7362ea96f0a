"""A line of a service's log on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from compose_core.terminal_text import terminal_text

if TYPE_CHECKING:
    from compose_core.tracking.service_logs import LogLine

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


def echo_log_line(line: LogLine, *, width: int, raw: bool = False, err: bool = False) -> None:
    """The line behind its service's name (`width` 0: without); what the program printed cannot act on the terminal."""
    text = line.text if raw else terminal_text(line.text)
    if line.is_cut:
        text += " …"
    if line.is_note:
        text = click.style(f"[{text}]", dim=True)
    prefix = f"{click.style(f'{terminal_text(line.service):<{width}}', fg=colour_of(line.service))} | " if width else ""
    click.echo(prefix + text, err=err)


def colour_of(service: str) -> str:
    """The same colour for the same name, in every command."""
    return _COLOURS[sum(service.encode()) % len(_COLOURS)]
