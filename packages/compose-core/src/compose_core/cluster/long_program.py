"""A program that may run for long: its output goes to a file, its last lines are kept, and it can be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compose_core.terminal_text import terminal_text

_TICK_S = 0.05
_GRACE_S = 5.0
_TAIL_BYTES = 8192
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """How the program ended."""

    argv: tuple[str, ...]
    rc: int | None
    """Its exit status, -N when signal N ended it; None: it was not started."""
    last_lines: tuple[str, ...] = ()
    """What it printed last, made safe for a terminal."""
    stopped: bool = False
    """It was told to stop."""

    @property
    def is_well(self) -> bool:
        """It ended by itself, with 0."""
        return self.rc == 0 and not self.stopped

    @property
    def how(self) -> str:
        """How it ended, in words: `ended with status 1`."""
        if self.rc is None:
            return "could not be started"
        return f"ended with status {self.rc}" if self.rc >= 0 else f"was ended by signal {-self.rc}"


def run_long(
    argv: Sequence[str],
    *,
    log_fd: int,
    env: Mapping[str, str],
    stop: threading.Event,
    timeout_s: float | None = None,
) -> LongRun:
    """Run the program with both outputs appended to the file behind `log_fd`, until it ends or `stop` is set.

    It gets a session of its own and no input; when it is stopped, its process group gets TERM. Whatever is left of
    the group when it has ended gets KILL.
    """
    command = tuple(argv)
    before = os.fstat(log_fd).st_size
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return LongRun(argv=command, rc=None, last_lines=(terminal_text(str(error)),))
    stopped = _wait(process, stop, timeout_s)
    return LongRun(argv=command, rc=process.returncode, last_lines=_last_lines(log_fd, before), stopped=stopped)


def _wait(process: subprocess.Popen[bytes], stop: threading.Event, timeout_s: float | None) -> bool:
    """True when the program had to be stopped; nothing of its process group is left in any case."""
    ticks = None if timeout_s is None else int(timeout_s / _TICK_S)
    try:
        while not _has_ended(process.pid):
            if stop.is_set() or ticks == 0:
                _signal(process, signal.SIGTERM)
                _wait_for_the_end(process.pid)
                return True
            ticks = None if ticks is None else ticks - 1
            stop.wait(_TICK_S)
        return False
    finally:
        _signal(process, signal.SIGKILL)  # also what the program left running behind it
        process.wait()


def _wait_for_the_end(pid: int) -> None:
    """At most the time of grace."""
    pause = threading.Event()
    for _ in range(int(_GRACE_S / _TICK_S)):
        if _has_ended(pid):
            return
        pause.wait(_TICK_S)


def _has_ended(pid: int) -> bool:
    """The program ended. It is not reaped yet, so its pid still means its process group."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    try:
        os.killpg(process.pid, signum)
    except ProcessLookupError:
        return
    except PermissionError:  # a program that became another user
        process.send_signal(signum)


def _last_lines(log_fd: int, before: int) -> tuple[str, ...]:
    size = os.fstat(log_fd).st_size
    start = max(before, size - _TAIL_BYTES)
    try:
        text = os.pread(log_fd, size - start, start).decode("utf-8", "replace")
    except OSError:
        return ()
    lines = [terminal_text(line).strip() for line in text.replace("\r", "\n").split("\n")]
    return tuple(line for line in lines if line)[-_TAIL_LINES:]
