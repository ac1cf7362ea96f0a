"""Probes that tell when a service is ready: a pause, a line of its log, a port, a page."""

import os
import re
import signal
import socket
import threading
import time
from typing import Any, Callable, Iterable, List

from compose_core.supervisor.files import READ_LIMIT

PROBE_FIRST_S, PROBE_LAST_S, PROBE_GROWTH = 0.2, 1.0, 1.25
CHECK_PATIENCE_S = 5.0
PATTERN_PATIENCE_S = 2.0
"""Seconds of CPU that a readiness pattern gets for one look at a log: some patterns take for ever on some lines."""
LINE_LIMIT = 64 * 1024


class LogTail:
    """The lines that a log gained since `offset`, in bounded memory."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._rest = b""
        self._shown_rest = b""
        self._later: List[int] = []
        self.is_closed = False

    def go_on_in(self, descriptor: int) -> None:
        """The log was rotated: once this file is read to its end, its lines go on there."""
        self._later.append(descriptor)

    def read_lines(self) -> List[str]:
        """New whole lines; the unfinished last one too, once it stands still or is longer than a line may be."""
        size = os.fstat(self._descriptor).st_size
        if size < self._offset:  # somebody emptied the log
            self._offset, self._rest = 0, b""
        is_final = bool(self._later)
        data = os.pread(self._descriptor, READ_LIMIT, self._offset)
        if is_final and not data:
            os.close(self._descriptor)
            self._descriptor, self._offset = self._later.pop(0), 0
            data = os.pread(self._descriptor, READ_LIMIT, 0)
        self._offset += len(data)
        lines = (self._rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_LIMIT:
            lines.append(rest[:LINE_LIMIT])
            rest = rest[-LINE_LIMIT // 2 :]
        elif rest and not data and rest != self._shown_rest:
            lines.append(rest)
            self._shown_rest = rest
        self._rest = rest
        return [line[:LINE_LIMIT].decode("utf-8", "replace").rstrip("\r") for line in lines]

    @property
    def is_behind(self) -> bool:
        """There is more to read at once."""
        return bool(self._later) or os.fstat(self._descriptor).st_size > self._offset

    def close(self) -> None:
        """Give the descriptors back."""
        self.is_closed = True
        os.close(self._descriptor)
        while self._later:
            os.close(self._later.pop())


class Probe:
    """Asks whether a service is ready: at `next_at`, then ever more slowly, until yes or `deadline`."""

    def __init__(self, what: str, now: float, timeout_s: float) -> None:
        self.what = what
        self.deadline = now + timeout_s
        self.next_at = now + PROBE_FIRST_S
        self._interval = PROBE_FIRST_S

    def poll(self, now: float) -> bool:
        """True once the service is ready; never waits."""
        self.next_at = now + self._interval
        self._interval = min(self._interval * PROBE_GROWTH, PROBE_LAST_S)
        return False

    def last_look(self) -> bool:
        """What can still be said after the service ended."""
        return False

    def close(self) -> None:
        """Stop asking."""


class SleepProbe(Probe):
    """Ready when some time has passed."""

    def __init__(self, now: float, seconds: float) -> None:
        Probe.__init__(self, "sleep {:g} s".format(seconds), now, float("inf"))
        self.next_at = now + seconds

    def poll(self, now: float) -> bool:
        """True once the time has passed."""
        return now >= self.next_at


class PatternTooSlow(Exception):
    """A pattern did not come to an answer within its time."""


def any_line_matches(pattern: "re.Pattern[str]", lines: Iterable[str], patience_s: float = PATTERN_PATIENCE_S) -> bool:
    """Whether a line matches; main thread only, because the search is broken off by a signal.

    Raises: PatternTooSlow: no answer within so many seconds of CPU time.
    """

    def break_off(_signum: int, _frame: Any) -> None:
        raise PatternTooSlow("the pattern {!r} takes too long on a line of the log".format(pattern.pattern))

    signal.signal(signal.SIGVTALRM, break_off)
    signal.setitimer(signal.ITIMER_VIRTUAL, patience_s)
    try:
        return any(pattern.search(line) for line in lines)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class LogProbe(Probe):
    """Ready when a new line of the log matches."""

    def __init__(self, now: float, timeout_s: float, pattern: str, tail: LogTail) -> None:
        Probe.__init__(self, "log line {!r}".format(pattern), now, timeout_s)
        self._pattern = re.compile(pattern)
        self._tail = tail

    def poll(self, now: float) -> bool:
        """True once a line matched."""
        Probe.poll(self, now)
        try:
            if any_line_matches(self._pattern, self._tail.read_lines()):
                return True
            if self._tail.is_behind:
                self.next_at = now  # read on, but let the others have their turn first
        except OSError:
            pass  # a file server that fails is asked again, as long as there is time
        return False

    def last_look(self) -> bool:
        """Whether a line matched right before the end."""
        for _ in range(16):
            try:
                if any_line_matches(self._pattern, self._tail.read_lines() + self._tail.read_lines()):
                    return True
                if not self._tail.is_behind:
                    break
            except (PatternTooSlow, OSError):
                return False
        return False

    def close(self) -> None:
        """Stop reading."""
        self._tail.close()


class NetworkProbe(Probe):
    """Ready when a check over the network says so; each check runs in a thread and has a timeout of its own."""

    def __init__(
        self, what: str, now: float, timeout_s: float, check: Callable[[], bool], wake: Callable[[], None]
    ) -> None:
        Probe.__init__(self, what, now, timeout_s)
        self._check = check
        self._wake = wake
        self._is_busy = False
        self._answers: List[bool] = []

    def poll(self, now: float) -> bool:
        """True once a check succeeded; starts the next one when none is under way."""
        if self._answers:
            self._is_busy = False
            if self._answers.pop():
                return True
            Probe.poll(self, now)
        elif self._is_busy:
            self.next_at = now + PROBE_LAST_S
        else:
            self._is_busy = True
            self.next_at = now + PROBE_LAST_S
            try:
                threading.Thread(target=self._ask, daemon=True).start()
            except RuntimeError:  # no more threads just now
                self._is_busy = False
        return False

    def _ask(self) -> None:
        answer = False
        try:
            answer = self._check()
        except (OSError, ValueError):
            pass  # not ready: refused, unknown host, timeout, not HTTP
        finally:
            self._answers.append(answer)
            self.next_at = 0.0
            self._wake()


def tcp_answers(host: str, port: int, timeout_s: float = CHECK_PATIENCE_S) -> bool:
    """Somebody listens there. A socket that met itself on a free local port is nobody."""
    connection = socket.create_connection((host, port), timeout_s)
    try:
        return bool(connection.getsockname() != connection.getpeername())
    finally:
        connection.close()


def http_status(url: str, timeout_s: float = CHECK_PATIENCE_S) -> int:
    """The status code of a GET; no proxy, no redirect, no check of certificates, at most `timeout_s` in all."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address: " + url)
    is_tls = parts.scheme == "https"
    give_up_at = time.monotonic() + timeout_s
    connection = socket.create_connection((parts.hostname, parts.port or (443 if is_tls else 80)), timeout_s)
    try:
        if is_tls:
            connection = _tls(connection, parts.hostname)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        target = "".join(c if "!" <= c <= "~" else "".join("%{:02X}".format(b) for b in c.encode()) for c in target)
        host = parts.netloc.rpartition("@")[2]
        request = "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hpc-compose\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        connection.sendall(request.format(target, host).encode("ascii"))
        head = b""
        while b"\n" not in head and len(head) < 4096:
            connection.settimeout(max(give_up_at - time.monotonic(), 0.001))
            data = connection.recv(1024)
            if not data:
                break
            head += data
    finally:
        connection.close()
    found = re.match(rb"HTTP/[0-9.]+ +([0-9]{3})\b", head)
    if not found:
        raise ValueError("no HTTP answer from " + url)
    return int(found.group(1))


def _tls(connection: socket.socket, host: str) -> socket.socket:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)
