"""The newest output of a log, for somebody who looks at it now and then: what comes faster than it can be read is counted, not shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compose_core.errors import RecordError
from compose_core.tracking.log_lines import LINE_BYTES, LogLine
from compose_core.tracking.log_source import LogSource
from compose_core.tracking.rotated_log import Identity, LogFile, close_all, open_files
from compose_core.units import format_bytes

KEPT_BYTES = 256 * 1024
"""Of what came between two looks so much is shown, the newest."""
COUNTED_BYTES = 64 * 1024 * 1024
"""Lines in more than this are not even counted."""
_FIRST_BYTES = 1024 * 1024
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutput:
    """What came since the last look."""

    lines: tuple[LogLine, ...] = ()
    open_line: str = ""
    """The beginning of a line that has no end yet."""
    skipped: int = 0
    """Lines that were left out before these."""


class NewestLines:
    """One log, looked at again and again; each look costs the same memory, however much was written."""

    def __init__(self, source: LogSource, *, most_lines: int, kept_bytes: int = KEPT_BYTES) -> None:
        self._source = source
        self._most_lines = most_lines
        self._kept_bytes = kept_bytes
        self._identity: Identity | None = None
        self._offset = 0
        self._rest = b""
        self._has_looked = False
        self._complaint = ""

    def look(self) -> NewOutput:
        """What came since the last look, in the first one the last lines of what there is; what cannot be read is said once."""
        try:
            newer = self._source.newest()
            if newer is self._source:
                return self._look()
            return self._in_next_attempt(newer)
        except RecordError as error:
            if error.message == self._complaint:
                return NewOutput()
            self._complaint = error.message
            return NewOutput(lines=(self._note(error.message),))

    def _in_next_attempt(self, newer: LogSource) -> NewOutput:
        """The last lines of the earlier attempt, and the first ones of the new."""
        is_another = bool(self._source.paths and self._source.paths.attempt is not None and newer.paths)
        before = self._look() if is_another else NewOutput()
        unfinished = (self._line(self._rest),) if is_another and self._rest else ()
        number = newer.paths.attempt if newer.paths else None
        mark = (replace(self._note(f"attempt {number}"), service=newer.name),) if is_another else ()
        self._source, self._identity, self._offset, self._rest = newer, None, 0, b""
        after = self._look()
        lines = (*before.lines, *unfinished, *mark, *after.lines)
        return NewOutput(lines=lines, open_line=after.open_line, skipped=before.skipped + after.skipped)

    def _look(self) -> NewOutput:
        files = open_files(self._source, self._identity)
        try:
            return self._read_on(files)
        finally:
            close_all(files)

    def _read_on(self, files: Sequence[LogFile]) -> NewOutput:
        notes: tuple[LogLine, ...] = ()
        if files and self._identity is not None:
            is_known = files[0].identity == self._identity
            if not is_known or files[0].size < self._offset:
                self._offset, self._rest = 0, b""
                notes = (self._note("the log was truncated, replaced, or rotated faster than it was read"),)
        starts = [self._offset if file.identity == self._identity else 0 for file in files]
        total = sum(file.size - start for file, start in zip(files, starts))
        is_first, self._has_looked = not self._has_looked, True
        leave = max(0, total - (_FIRST_BYTES if is_first else self._kept_bytes))
        is_counted = not is_first and leave <= COUNTED_BYTES
        if leave and not is_first and not is_counted:
            notes = (*notes, self._note(f"{format_bytes(leave)} left out"))
        data, skipped = self._newest(files, starts, leave=leave, is_counted=is_counted)
        lines, more = self._lines_of(data)
        return NewOutput(
            lines=(*notes, *lines), open_line=_text(self._rest[:LINE_BYTES]), skipped=0 if is_first else skipped + more
        )

    def _newest(
        self, files: Sequence[LogFile], starts: Sequence[int], *, leave: int, is_counted: bool
    ) -> tuple[bytes, int]:
        """The bytes after the first `leave` unread ones, from the beginning of a line, and how many lines that leaves out."""
        is_inside_line, skipped = leave > 0, 0
        kept = [] if leave else [self._rest]
        for file, start in zip(files, starts):
            position = start
            if leave and not is_counted:
                position = min(file.size, start + leave)
                leave -= position - start
            while block := file.read_at(position, min(file.size - position, leave or _BLOCK_BYTES, _BLOCK_BYTES)):
                position += len(block)
                if leave:
                    leave -= len(block)
                    skipped += block.count(b"\n")
                    is_inside_line = not block.endswith(b"\n")
                else:
                    kept.append(block)
            self._identity, self._offset = file.identity, position
        data = b"".join(kept)
        if is_inside_line and b"\n" in data:
            return data.partition(b"\n")[2], skipped + is_counted
        return data, skipped

    def _lines_of(self, data: bytes) -> tuple[tuple[LogLine, ...], int]:
        """The newest lines that are complete, and how many there were before these."""
        head, newline, rest = data.rpartition(b"\n")
        self._rest = rest if len(rest) <= 2 * LINE_BYTES else rest[:LINE_BYTES] + rest[-LINE_BYTES:]
        if not newline:
            return (), 0
        pieces = head.split(b"\n")
        shown = pieces[-self._most_lines :]
        return tuple(self._line(piece) for piece in shown), len(pieces) - len(shown)

    def _line(self, piece: bytes) -> LogLine:
        text = _shown(piece)
        return LogLine(service=self._source.name, text=_text(text[:LINE_BYTES]), is_cut=len(text) > LINE_BYTES)

    def _note(self, text: str) -> LogLine:
        return LogLine(service=self._source.name, text=text, is_note=True)


def _shown(piece: bytes) -> bytes:
    """What a terminal would have left standing of a line that returns to its beginning."""
    return piece.rstrip(b"\r").rpartition(b"\r")[2]


def _text(piece: bytes) -> str:
    return _shown(piece).decode("utf-8", "replace")
