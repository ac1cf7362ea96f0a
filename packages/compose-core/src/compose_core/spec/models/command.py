"""What a service runs, in the two forms that a user may write."""

from __future__ import annotations

from compose_core.frozen import Frozen


class ShellCommand(Frozen):
    """The string form: one piece of shell text, possibly of several lines, never changed by us."""

    text: str


class ExecCommand(Frozen):
    """The list form: a program and its arguments, no shell in between."""

    argv: tuple[str, ...]


Command = ShellCommand | ExecCommand
