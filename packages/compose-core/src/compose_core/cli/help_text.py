"""How `--help` looks: no option is torn apart at the end of a line, groups name their commands in full, examples end it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from compose_core.cli.examples import examples_text

_JOINT = "\ue02d"
"""Stands for a hyphen while lines are broken, which happens at hyphens, too."""


class HelpFormatter(click.HelpFormatter):
    """Lines break at spaces alone, so that what can be typed can be copied."""

    def write_text(self, text: str) -> None:
        """A paragraph or several."""
        super().write_text(text.replace("-", _JOINT))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """A list of two columns."""
        super().write_dl([(first, second.replace("-", _JOINT)) for first, second in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        """The whole text."""
        return super().getvalue().replace(_JOINT, "-")


class HelpContext(click.Context):
    """A call whose help is written by `HelpFormatter`."""

    formatter_class = HelpFormatter


def with_help(name: str, command: click.Command) -> click.Command:
    """The command by this name, and those below it, with the help text complete."""
    command.context_class = HelpContext
    command.short_help = first_sentence(command)
    command.epilog = examples_text(name) or None
    for below, other in command.commands.items() if isinstance(command, click.Group) else ():
        with_help(f"{name} {below}", other)
    return command


def first_sentence(command: click.Command) -> str:
    """What it does, up to the first full stop or semicolon."""
    text = " ".join((command.help or "").split("\n\n")[0].split())
    for end in (". ", "; "):
        text = text.partition(end)[0]
    return f"{text.rstrip('.')}."
