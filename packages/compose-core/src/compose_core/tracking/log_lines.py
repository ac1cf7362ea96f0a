"""Bytes of a log to lines, all of them or those that a person looks for."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compose_core.errors import UsageError

LINE_BYTES = 16 * 1024
"""A longer line is cut there; its rest is left out."""
_STAYS_IN_LINE = re.compile(
    r"(?:\(\?i\))?"
    r"(?:[^\x00-\x1f\\\[(]"  # any literal, `.`, `*`, `|`, `^`, `$` …
    r"|\((?!\?)|\(\?:"
    r"|\\[dwSb.\\/|+*?()\[\]{}^$\"'@#%&=:;,<>~!_-]"
    r"|\[(?:[^\x00-\x1f\\\]^]|\\[dwS.\\/+*?\]^-])(?:[^\x00-\x1f\\\]]|\\[dwS.\\/+*?\]^-])*\]"
    r")*"
)
"""Expressions that find in a whole block of lines at least what they find in each line alone: nothing in them looks around,
and nothing runs over the end of a line."""
_LITERALS = re.compile(r"[^\x00-\x1f\\.^$*+?{}\[\]|()]+(?:\|[^\x00-\x1f\\.^$*+?{}\[\]|()]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of one log, without its end."""

    service: str
    text: str
    is_cut: bool = False
    """It goes on, but is too long to be shown."""
    is_note: bool = False
    """Ours, not the program's: the log was replaced or cannot be read."""
    raw: bytes = b""
    """What the program wrote, as far as the line is not cut."""


class LineFilter:
    """The lines that hold what an expression looks for; without one, every line."""

    def __init__(self, grep: str | None = None) -> None:
        """Of a regular expression.

        Raises: UsageError: it is none.
        """
        self.is_open = grep is None
        self._search = self._find = None
        if grep is None:
            return
        try:
            self._search = re.compile(grep).search
            if _STAYS_IN_LINE.fullmatch(grep):
                self._find = re.compile(grep, re.MULTILINE).search
        except (re.error, RecursionError, OverflowError) as error:
            raise UsageError(f"{grep!r} is not a regular expression: {error}", code="grep") from error
        self._literals = grep.split("|") if _LITERALS.fullmatch(grep) else []

    def wants(self, text: str) -> bool:
        """This line is one of them."""
        return self._search is None or self._search(text) is not None

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """Of whole lines, those that may be wanted; `wants` decides."""
        if self._find is None or b"\r" in block or not block.isascii():
            yield from block.split(b"\n")
            return
        text = block.decode("ascii")
        end = -1
        for position in self._found(text):
            if position > end:
                end = text.find("\n", position)
                end = len(text) if end < 0 else end
                yield block[text.rfind("\n", 0, position) + 1 : end]

    def _found(self, text: str) -> Iterator[int]:
        """Where the expression finds something, at least once for each such line, in order."""
        if self._literals:
            return heapq.merge(*(_places(text, _literal_finder(literal)) for literal in self._literals))
        return _places(text, self._match)

    def _match(self, text: str, start: int) -> int:
        assert self._find is not None
        found = self._find(text, start)
        return found.start() if found else -1


def _literal_finder(literal: str) -> Callable[[str, int], int]:
    return lambda text, start: text.find(literal, start)


def _places(text: str, find: Callable[[str, int], int]) -> Iterator[int]:
    """Where it is found, once for each line."""
    position = find(text, 0)
    while position >= 0:
        yield position
        end = text.find("\n", position)
        position = find(text, end + 1) if end >= 0 else -1


class LineSplitter:
    """Bytes in any pieces to the lines that are wanted; holds at most one line's worth."""

    def __init__(self, service: str, wanted: LineFilter) -> None:
        self._service = service
        self._wanted = wanted
        self._rest = b""
        self._is_overlong = False
        """The line is longer than what is shown of it; its rest is skipped."""

    def feed(self, block: bytes) -> Iterator[LogLine]:
        """The lines that end in the block."""
        first, last = block.find(b"\n"), block.rfind(b"\n")
        self._add(block if first < 0 else block[:first])
        if first < 0:
            return
        yield from self._end()
        if last > first:  # many lines, so no call more than it takes
            service, wants = self._service, self._wanted.wants
            for piece in self._wanted.pieces(block[first + 1 : last]):
                is_cut = len(piece) > LINE_BYTES
                raw = piece[:LINE_BYTES] if is_cut else piece
                text = _text(raw)
                if wants(text):
                    yield LogLine(service=service, text=text, is_cut=is_cut, raw=raw)
        self._add(block[last + 1 :])

    def flush(self) -> Iterator[LogLine]:
        """The line that has no end yet, when there is one."""
        if self._rest:
            yield from self._end()

    def _add(self, piece: bytes) -> None:
        room = LINE_BYTES - len(self._rest)
        if len(piece) > room:
            self._is_overlong = True
        self._rest += piece[:room]

    def _end(self) -> Iterator[LogLine]:
        raw, is_cut = self._rest, self._is_overlong
        self._rest, self._is_overlong = b"", False
        text = _text(raw)
        if self._wanted.wants(text):
            yield LogLine(service=self._service, text=text, is_cut=is_cut, raw=raw)


def _text(line: bytes) -> str:
    """What a terminal would have left standing of a line that returns to its beginning; never an error."""
    if b"\r" in line:
        line = line.rstrip(b"\r").rpartition(b"\r")[2]
    return line.decode("utf-8", "replace")
