"""A line of a service's log on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from compose_core.terminal_text import terminal_text
from compose_core.watch.colours import colour_of, service_colours, service_of

if TYPE_CHECKING:
    from compose_core.tracking.log_lines import LogLine

_CHUNK = 64 * 1024


def echo_log_line(line: LogLine, *, width: int, raw: bool = False, err: bool = False) -> None:
    """The line behind its service's name (`width` 0: without); what the program printed cannot act on the terminal."""
    click.echo(_shown(line, _prefix(line.service, width, colour_of(line.service)), raw=raw), err=err)


def plain_line(line: LogLine) -> str:
    """`[service] text`, without a colour or any other control code but tabs."""
    text = f"[{line.text}]" if line.is_note else line.text
    return terminal_text(f"[{line.service}] {text}") + (" …" if line.is_cut else "")


def print_log_lines(
    lines: Iterable[LogLine], *, width: int, services: Sequence[str], raw: bool = False, at_once: bool = False
) -> int:
    """All lines on standard output, behind names in the colours of these services; gives how many there were.

    `at_once` shows each line as soon as it is there; else they are written many at a time.
    """
    colours, prefixes = service_colours(services), dict[str, str]()
    waiting: list[str | bytes] = []
    size = count = 0
    for line in lines:
        count += 1
        prefix = prefixes.get(line.service)
        if prefix is None:
            colour = colours.get(service_of(line.service)) or colour_of(line.service)
            prefix = prefixes[line.service] = _prefix(line.service, width, colour)
        waiting.append(_shown(line, prefix, raw=raw))
        size += len(waiting[-1])
        if at_once or size > _CHUNK:
            _write(waiting, raw=raw)
            size = 0
    _write(waiting, raw=raw)
    return count


def print_log_report(head: Mapping[str, Any], lines: Iterable[LogLine]) -> None:
    """The same as one JSON object, written as the lines come: however many there are, few are in memory."""
    start = json.dumps(head, indent=2).removesuffix("\n}")
    separator = f'{start},\n  "lines": ['
    for line in lines:
        row = {"service": line.service, "text": line.text, "cut": line.is_cut, "note": line.is_note}
        click.echo(f"{separator}\n    {json.dumps(row)}", nl=False)
        separator = ","
    click.echo(f"{separator}]\n}}" if separator.endswith("[") else "\n  ]\n}")


def _prefix(service: str, width: int, colour: str) -> str:
    return f"{click.style(f'{terminal_text(service):<{width}}', fg=colour)} | " if width else ""


def _shown(line: LogLine, prefix: str, *, raw: bool) -> str | bytes:
    if line.is_note:
        return prefix + click.style(f"[{terminal_text(line.text)}]", dim=True)
    if raw:
        return _plain_unless_coloured(prefix).encode() + line.raw + (" …".encode() if line.is_cut else b"")
    return prefix + terminal_text(line.text) + (" …" if line.is_cut else "")


def _write(waiting: list[str | bytes], *, raw: bool) -> None:
    if waiting and raw:
        shown = (_plain_unless_coloured(item).encode() if isinstance(item, str) else item for item in waiting)
        click.echo(b"\n".join(shown))
    elif waiting:
        click.echo("\n".join(item for item in waiting if isinstance(item, str)))
    waiting.clear()


def _plain_unless_coloured(text: str) -> str:
    """What `click.echo` does to text and not to bytes: colours are for terminals."""
    context = click.get_current_context(silent=True)
    wanted = context.color if context else None
    return text if (sys.stdout.isatty() if wanted is None else wanted) else click.unstyle(text)
