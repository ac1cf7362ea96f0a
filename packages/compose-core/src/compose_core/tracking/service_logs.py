"""Lines of service logs, read in constant memory however large and however odd the logs are.

The text is what a program printed: pass it through `terminal_text` before a terminal sees it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compose_core.clock import Clock
from compose_core.errors import RecordError
from compose_core.tracking.log_lines import LINE_BYTES, LineFilter, LineSplitter, LogLine
from compose_core.tracking.log_source import LogSource, Span, span_of
from compose_core.tracking.rotated_log import JoinedLog, LogFile, close_all, joined_log, open_files

__all__ = ["LogLine", "follow_logs", "lines_before", "prefix_width", "read_logs"]

_BLOCK_BYTES = 64 * 1024
_LOOK_BACK_BYTES = 64 * 1024 * 1024
_ROUND_BYTES = 1024 * 1024
_QUIET_S = 1.5
_NO_TIMES = "nothing tells when these lines were written, so none is left out"
_ROTATED_AWAY = "lines are missing here: the log was rotated faster than it was read"


def read_logs(
    sources: Sequence[LogSource],
    *,
    lines: int | None = 100,
    since: float | None = None,
    until: float | None = None,
    grep: str | None = None,
) -> Iterator[LogLine]:
    """The last `lines` lines (None: all) of each log, one log after the other; none of a log that is not there yet.

    `since` and `until` are epoch seconds; `grep` is a regular expression that a line has to contain.

    Raises: UsageError: `grep` is no regular expression.  RecordError: a log is no regular file of ours.
    """
    wanted = LineFilter(grep)
    for source in sources:
        yield from _read_one(source, lines=lines, since=since, until=until, wanted=wanted)


def lines_before(
    source: LogSource, end: int | None, *, lines: int, begins: Mapping[int, int] | None = None
) -> list[LogLine]:
    """The last lines of the first `end` bytes that the log ever got (None: of all), those included that have no end there.

    `begins` is what `file_begins` gave of the source, for a caller that asks often.

    Raises: RecordError: the log is no regular file of ours.
    """
    stream = joined_log(source)
    if stream is None:
        return []
    with stream:
        last = stream.size if end is None else max(0, min(end - stream.begin(begins), stream.size))
        start = _last_lines(stream, 0, last, lines)
        return list(_lines(stream, LineSplitter(source.name, LineFilter()), start, last))


def follow_logs(
    sources: Sequence[LogSource],
    clock: Clock,
    *,
    is_over: Callable[[], bool],
    lines: int | None = 100,
    since: float | None = None,
    grep: str | None = None,
    poll_s: float = 0.5,
) -> Iterator[LogLine]:
    """The last lines of each log, then every new one as it comes, until `is_over()` and all is shown.

    A log is opened anew for every look, so what other hosts append is seen; one that was rotated is read on in the files
    that it was rotated to, one that was truncated or replaced from its beginning.

    Raises: UsageError: `grep` is no regular expression.
    """
    wanted = LineFilter(grep)
    followers = [_Follower(source, wanted) for source in sources]
    for follower in followers:
        yield from follower.catch_up(lines=lines, since=since)
    while True:
        over = is_over()
        found = False
        for follower in followers:
            for line in follower.look(clock.monotonic()):
                found = True
                yield line
        if found or any(follower.is_behind for follower in followers):
            continue
        if over:
            break
        clock.sleep(poll_s)
    for follower in followers:
        yield from follower.finish()


def prefix_width(sources: Sequence[LogSource]) -> int:
    """How wide the column of service names is; 0 when one log alone is shown."""
    return max((len(source.name) for source in sources), default=0) if len(sources) > 1 else 0


def _read_one(
    source: LogSource,
    *,
    lines: int | None,
    since: float | None,
    until: float | None,
    wanted: LineFilter,
) -> Iterator[LogLine]:
    span = span_of(source, since=since, until=until)
    stream = joined_log(source)
    if stream is None:
        return
    with stream:
        if not span.is_exact:
            if since is not None and stream.files[-1].modified_at < since:
                return
            yield LogLine(service=source.name, text=_NO_TIMES, is_note=True)
        begin = stream.begin() if span != Span() else 0
        end = stream.size if span.end is None else min(max(0, span.end - begin), stream.size)
        start = _line_start(stream, min(max(0, span.start - begin), end))
        if lines is not None and wanted.is_open:
            start = max(start, _last_lines(stream, start, end, lines))
        found = _lines(stream, LineSplitter(source.name, wanted), start, end)
        yield from found if lines is None or wanted.is_open else deque(found, maxlen=lines)


def _line_start(stream: JoinedLog, offset: int) -> int:
    """Where the line that holds this byte begins, as far as it is not too long."""
    if offset == 0:
        return 0
    first = max(0, offset - LINE_BYTES)
    stream.seek(first)
    before = stream.read(offset - first)
    newline = before.rfind(b"\n")
    return first + newline + 1 if newline >= 0 else (0 if first == 0 else offset)


def _last_lines(stream: JoinedLog, start: int, end: int, lines: int) -> int:
    """Where the last `lines` lines begin; looks back far enough for lines that are shown whole, and for longer ones not for ever."""
    if lines <= 0:
        return end
    wanted = lines
    position = end
    floor = max(start, end - max(_LOOK_BACK_BYTES, lines * LINE_BYTES))
    if position > floor:  # an end of line that ends the log begins no further one
        stream.seek(position - 1)
        wanted += stream.read(1) == b"\n"
    while position > floor:
        size = min(_BLOCK_BYTES, position - floor)
        position -= size
        stream.seek(position)
        block = stream.read(size)
        count = block.count(b"\n")
        if count >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rfind(b"\n", 0, at)
            return position + at + 1
        wanted -= count
    return floor


def _lines(stream: JoinedLog, splitter: LineSplitter, start: int, end: int) -> Iterator[LogLine]:
    """The lines between two offsets, a last one without its end included."""
    stream.seek(start)
    while start < end:
        block = stream.read(min(_BLOCK_BYTES, end - start))
        if not block:
            break
        start += len(block)
        yield from splitter.feed(block)
    yield from splitter.flush()


@dataclass(slots=True)
class _Follower:
    """Where one log was read up to."""

    source: LogSource
    wanted: LineFilter
    offset: int = 0
    identity: tuple[int, int] | None = None
    splitter: LineSplitter = field(init=False)
    is_behind: bool = False
    """The log held more than one look may read, whether or not a line ended in it."""
    grew_at: float | None = None
    complaint: str = ""

    def __post_init__(self) -> None:
        self.splitter = LineSplitter(self.source.name, self.wanted)

    def catch_up(self, *, lines: int | None, since: float | None) -> Iterator[LogLine]:
        """Start at the last lines of what is there."""
        span = span_of(self.source, since=since)
        stream = joined_log(self.source)
        if stream is None:
            return
        with stream:
            begin = stream.begin() if span != Span() else 0
            newest = stream.files[-1]
            self.identity, self.offset = newest.identity, newest.size
            start = _line_start(stream, min(max(0, span.start - begin), stream.size))
            if lines is not None:
                start = max(start, _last_lines(stream, start, stream.size, lines))
            stream.seek(start)
            while block := stream.read(_BLOCK_BYTES):
                yield from self.splitter.feed(block)

    def look(self, now: float) -> Iterator[LogLine]:
        """What came since the last look, at most one round's worth."""
        try:
            newer = self.source.newest()
        except RecordError as error:
            yield from self._complain(error)
            return
        if newer is not self.source:
            if self.source.paths and self.source.paths.attempt is not None and newer.paths:
                yield from self._look(now)  # the earlier attempt's last lines
                if self.is_behind:
                    return
                yield from self.finish()
                yield LogLine(service=newer.name, text=f"attempt {newer.paths.attempt}", is_note=True)
            self.source, self.offset, self.identity = newer, 0, None
        yield from self._look(now)

    def _complain(self, error: RecordError) -> Iterator[LogLine]:
        if error.message != self.complaint:
            self.complaint = error.message
            yield LogLine(service=self.source.name, text=self.complaint, is_note=True)

    def _look(self, now: float) -> Iterator[LogLine]:
        self.is_behind = False
        try:
            files = open_files(self.source, self.identity)
        except RecordError as error:
            yield from self._complain(error)
            return
        try:
            yield from self._read_on(files, now)
        finally:
            close_all(files)

    def _read_on(self, files: list[LogFile], now: float) -> Iterator[LogLine]:
        """At most one round's worth, from the file that was read last to the newest one."""
        if files and self.identity is not None:
            is_known = files[0].identity == self.identity
            if not is_known or files[0].size < self.offset:
                yield from self.splitter.flush()
                text = "the log was truncated or replaced" if is_known or len(files) == 1 else _ROTATED_AWAY
                yield LogLine(service=self.source.name, text=text, is_note=True)
                self.offset = 0
        room = _ROUND_BYTES
        for file in files:
            if file.identity != self.identity:
                self.identity, self.offset = file.identity, 0
            end = min(file.size, self.offset + room)
            if end > self.offset:
                self.grew_at = now
                room -= end - self.offset
                yield from self._read(file, end)
            self.is_behind = end < file.size
            if self.is_behind:
                return
        if files and room == _ROUND_BYTES and self.grew_at is not None and now - self.grew_at >= _QUIET_S:
            yield from self.finish()  # a prompt or a progress bar: it may wait for long

    def finish(self) -> Iterator[LogLine]:
        """The line that has no end yet."""
        yield from self.splitter.flush()

    def _read(self, file: LogFile, end: int) -> Iterator[LogLine]:
        while self.offset < end:
            block = file.read_at(self.offset, min(_BLOCK_BYTES, end - self.offset))
            if not block:
                return
            self.offset += len(block)
            yield from self.splitter.feed(block)
