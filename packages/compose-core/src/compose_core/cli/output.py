"""Where a command's answer goes: data to stdout, talk to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from compose_core.cli.report_error import echo_problem
from compose_core.clock import with_readable_times
from compose_core.errors import EnvironmentProblem, Problem
from compose_core.terminal_text import terminal_text

Format = Literal["text", "json", "csv", "jsonl", "html"]
"""Every command has the first two."""


def json_text(report: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """A report as it is written, times in ISO 8601."""
    return json.dumps(with_readable_times(report), indent=indent, default=str)


@dataclass(frozen=True, kw_only=True)
class Output:
    """The two streams of one command, in the form that the user asked for."""

    format: Format = "text"
    quiet: bool = False
    hidden: tuple[str, ...] = ()
    """Secret values that text shows as `***`; reports hide theirs themselves."""

    @property
    def is_json(self) -> bool:
        """The answer is one JSON object."""
        return self.format == "json"

    def data(self, text: str, *, newline: bool = True) -> None:
        """The command's answer, as text."""
        click.echo(self._without_secrets(text), nl=newline)

    def json(self, report: Mapping[str, Any], *, indent: int | None = 2) -> None:
        """The command's answer, as JSON; without an indent on one line, which is several times quicker for a long one."""
        click.echo(json_text(report, indent=indent))

    def talk(self, text: str) -> None:
        """What a person may like to know meanwhile; silent with --quiet."""
        if not self.quiet:
            click.echo(terminal_text(text, newlines=True), err=True)

    def warn(self, problems: Sequence[Problem]) -> None:
        """Findings that do not stop the command; silent with --quiet, and in JSON they are part of the report."""
        if not self.quiet and not self.is_json:
            for problem in problems:
                echo_problem(problem)

    def heading(self, text: str) -> None:
        """A title above a part of a text answer."""
        click.echo(click.style(terminal_text(self._without_secrets(text)), bold=True))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Aligned columns; on a terminal they are cut to its width, elsewhere never."""
        from compose_core.cli.columns import columns_of

        shown = [[terminal_text(self._without_secrets(cell)) for cell in row] for row in rows]
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        head, *lines = columns_of(columns, shown, width=width, style=styled)
        click.echo("\n".join([click.style(head, bold=True), *lines]))

    def _without_secrets(self, text: str) -> str:
        if not self.hidden:
            return text
        from compose_core.spec.redaction import hidden_in

        shown: str = hidden_in(text, self.hidden)
        return shown


def write_private(path: Path, text: str) -> None:
    """A file that the user named, readable by nobody else.

    Raises: EnvironmentProblem: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written: {error.strerror}", remedy="Name a file in a folder that exists and is yours."
        ) from error


_STYLES = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "ready": "green",
    "running": "cyan",
    "exited": "green",
    "failed": "red",
    "FAILED": "red",
    "TIMEOUT": "red",
    "OUT_OF_MEMORY": "red",
    "NODE_FAIL": "red",
    "LOST": "red",
    "CANCELLED": "yellow",
    "PENDING": "yellow",
    "UNREACHABLE": "yellow",
}


def styled(cell: str, shown: str) -> str:
    """The shown text in the colour that the whole cell calls for."""
    colour = _STYLES.get(cell.partition(" ")[0])
    return click.style(shown, fg=colour) if colour else shown
