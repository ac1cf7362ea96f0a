"""Programs of the site, run with a deadline, bounded output and no way to ask questions back.

The protocol says nothing of where the program runs: this host today, a login node over OpenSSH with the same calls.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from compose_core.clock import Clock, SystemClock

OUTPUT_CAP = 64 * 1024 * 1024
"""Bytes of stdout or stderr that one answer may have; ten thousand squeue rows are half a MiB."""

_CHUNK = 65536
_TICK_S = 0.05
"""How often the end of a program is looked for whose pipes stay silent."""
_DRAIN_S = 0.3
"""How long pipes are read after the program ended while something that it left behind still holds them."""
_DEATH_S = 5.0
"""How long to wait for a killed program; one in uninterruptible sleep is left to the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The program ended by itself."""

    argv: tuple[str, ...]
    rc: int
    """Its exit status; -N when signal N ended it."""
    stdout: str = ""
    stderr: str = ""

    @property
    def first_error_line(self) -> str:
        """The first line that says something, stderr before stdout; a fallback when it was silent."""
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        return lines[0] if lines else f"{self.argv[0]} ended with status {self.rc} and said nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """The program did not end in time; its process group was killed. What it did before is unknown."""

    argv: tuple[str, ...]
    timeout_s: float
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The program is not there or may not be executed; nothing was started."""

    argv: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """This machine could not start the program (no memory, too many processes, too long a command line)."""

    argv: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TooMuchOutput:
    """The program printed more than the cap and was killed: an answer cut short would read as rows missing."""

    argv: tuple[str, ...]
    cap: int


RunOutcome = Finished | TimedOut | NotFound | NotStarted | TooMuchOutput


class CommandRunner(Protocol):
    """Runs one program at a time, wherever the site's programs are."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        """What became of the program. `env` is its whole environment; None gives it the runner's own."""
        ...


class HostRunner:
    """Runs programs on this host: own session, no terminal, stdin from /dev/null unless `stdin` is given."""

    def __init__(self, environment: Mapping[str, str] | None = None, *, clock: Clock | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._clock: Clock = clock or SystemClock()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        command = tuple(argv)
        environment = dict(env) if env is not None else {**self._environment, "LC_ALL": "C"}
        deadline = self._clock.monotonic() + timeout_s
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            return _missing(command, cwd, error)
        except (OSError, ValueError) as error:
            return NotStarted(argv=command, message=f"{command[0]} could not be started: {error}")
        conversation = _Conversation(process, stdin or b"", output_cap)
        try:
            return conversation.outcome(command, deadline, timeout_s, self._clock)
        finally:
            # Also on KeyboardInterrupt: nothing of ours may keep running unseen.
            conversation.close()


def _missing(command: tuple[str, ...], cwd: Path | None, error: OSError) -> NotFound | NotStarted:
    if cwd is not None and not cwd.is_dir():
        return NotStarted(argv=command, message=f"the folder {cwd} to run {command[0]} in is not there")
    return NotFound(argv=command, message=f"{command[0]} was not found or may not be executed: {error.strerror}")


class _Conversation:
    """The pipes of one process until it ends, overruns its time, or says too much."""

    def __init__(self, process: subprocess.Popen[bytes], to_write: bytes, cap: int) -> None:
        self._process = process
        self._to_write = memoryview(to_write)
        self._cap = cap
        self._out = bytearray()
        self._err = bytearray()
        self._selector = selectors.DefaultSelector()
        for pipe, sink in ((process.stdout, self._out), (process.stderr, self._err)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, sink)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def outcome(self, command: tuple[str, ...], deadline: float, timeout_s: float, clock: Clock) -> RunOutcome:
        drain_until: float | None = None
        while self._selector.get_map():
            now = clock.monotonic()
            if drain_until is None and self._process.poll() is not None:
                drain_until = now + _DRAIN_S
            if drain_until is not None and now >= drain_until:
                break
            if drain_until is None and now >= deadline:
                return self._timed_out(command, timeout_s)
            self._exchange(min(_TICK_S, max(0.0, deadline - now)))
            if max(len(self._out), len(self._err)) > self._cap:
                self._kill()
                return TooMuchOutput(argv=command, cap=self._cap)
        try:
            rc = self._process.wait(timeout=max(0.0, deadline - clock.monotonic()))
        except subprocess.TimeoutExpired:
            return self._timed_out(command, timeout_s)
        return Finished(argv=command, rc=rc, stdout=_text(self._out), stderr=_text(self._err))

    def close(self) -> None:
        if self._process.poll() is None:
            self._kill()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)

    def _timed_out(self, command: tuple[str, ...], timeout_s: float) -> TimedOut:
        self._kill()
        return TimedOut(argv=command, timeout_s=timeout_s, stdout=_text(self._out), stderr=_text(self._err))

    def _exchange(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            if key.data is None:
                self._write()
                continue
            try:
                data = os.read(key.fd, _CHUNK)
            except BlockingIOError:
                continue
            key.data.extend(data)
            if not data:
                self._selector.unregister(key.fileobj)

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            self._to_write = self._to_write[os.write(pipe.fileno(), self._to_write[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_write = self._to_write[:0]  # it does not want the rest
        if not self._to_write:
            self._selector.unregister(pipe)
            _close(pipe)

    def _kill(self) -> None:
        # The session leader's pid is the group's id until it is reaped, which happens only below.
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._process.kill()
        try:
            self._process.wait(timeout=_DEATH_S)
        except subprocess.TimeoutExpired:
            pass  # in uninterruptible sleep, mostly a dead file server; it dies when that answers


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is None:
        return
    try:
        pipe.close()
    except BrokenPipeError:
        pass  # it ended without reading its input


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "surrogateescape")
