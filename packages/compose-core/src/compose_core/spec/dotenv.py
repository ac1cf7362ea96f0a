"""Read `.env` and `env_file` files: `KEY=VALUE` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[^=\s]+)\s*=[ \t]*(?P<value>.*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'([^']*)'\s*(?:#.*)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class DotenvEntry:
    """One variable of a file; its value is literal, nothing in it is interpolated."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class DotenvFault:
    """A line that is no variable."""

    line: int
    code: str
    message: str


def read_dotenv(text: str) -> Iterator[DotenvEntry | DotenvFault]:
    """The variables and faults of a file, in its order.

    Empty lines and `#` comments are skipped; `export ` is allowed. Single quotes keep everything; double quotes know the escapes
    n, t and r, and keep any other character after a backslash; an unquoted value ends before ` #`.
    """
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield _read_line(line, number)


def _read_line(line: str, number: int) -> DotenvEntry | DotenvFault:
    match = _LINE.fullmatch(line)
    if not match:
        return DotenvFault(number, "env-syntax", "the line is not KEY=VALUE")
    name = match["name"]
    if not _NAME.fullmatch(name):
        return DotenvFault(
            number,
            "env-name",
            f"{name[:60]!r} is not a variable name (letters, digits and _, not starting with a digit)",
        )
    value = _value(match["value"].rstrip())
    if value is None:
        return DotenvFault(number, "env-syntax", f"the quotes of {name} are not closed on the line")
    if "\x00" in value:
        return DotenvFault(number, "control-character", f"the value of {name} contains a NUL character")
    return DotenvEntry(name, value, number)


def _value(text: str) -> str | None:
    if text.startswith('"'):
        match = _DOUBLE_QUOTED.fullmatch(text)
        return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1]) if match else None
    if text.startswith("'"):
        match = _SINGLE_QUOTED.fullmatch(text)
        return match[1] if match else None
    return _COMMENT.sub("", text).rstrip()
