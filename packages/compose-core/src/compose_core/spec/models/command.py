"""What a service runs, in the two forms that a user may write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShellCommand:
    """The string form: one piece of shell text, possibly of several lines, never changed by us."""

    text: str


@dataclass(frozen=True)
class ExecCommand:
    """The list form: a program and its arguments, no shell in between."""

    argv: tuple[str, ...]


Command = ShellCommand | ExecCommand
