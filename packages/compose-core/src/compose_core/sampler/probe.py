"""Programs that are asked: bounded in time, and never started on top of themselves."""

import os
import signal
import subprocess
import time
from typing import Dict, List, Optional

PROBE_TIMEOUT_S = 4.0
OUTPUT_LIMIT = 4 * 1024 * 1024
CHUNK = 65536


class Answer:
    """What a program said."""

    def __init__(self, status: int, output: str, errors: str, cpu_s: float = 0.0, timed_out: bool = False) -> None:
        self.status = status
        self.output = output
        self.errors = errors
        self.cpu_s = cpu_s
        """What it cost, user and system time."""
        self.timed_out = timed_out

    def why(self, argv: List[str]) -> str:
        """In words, how it failed."""
        if self.timed_out:
            return "{} did not answer in time".format(argv[0])
        said = (self.errors.strip() or self.output.strip() or "nothing").splitlines()[0][:200]
        return "{} ended with {}: {}".format(argv[0], self.status, said)


class Probe:
    """One program at a time; one that outlives its KILL (a driver that hangs) keeps the next one from starting."""

    def __init__(self, environment: Dict[str, str]) -> None:
        self._environment = dict(environment, LC_ALL="C")
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._collected: Dict[int, bytes] = {}
        self._open: List[int] = []
        self._kill_at = float("inf")
        self._is_given_up = False

    @property
    def is_busy(self) -> bool:
        """A program runs, or cannot be got rid of."""
        return self._process is not None

    @property
    def pipes(self) -> List[int]:
        """What to wait for."""
        return list(self._open)

    @property
    def next_at(self) -> float:
        """When it has to be looked after."""
        return self._kill_at

    def start(self, argv: List[str], timeout_s: float = PROBE_TIMEOUT_S) -> None:
        """Run the program.

        Raises: OSError: it cannot be started.
        """
        assert self._process is None
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._open = [self._process.stdout.fileno(), self._process.stderr.fileno()]
        self._collected = dict.fromkeys(self._open, b"")
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
        self._kill_at = time.monotonic() + timeout_s
        self._is_given_up = False

    def poll(self) -> Optional[Answer]:
        """The answer, once there is one; after a timeout the next program waits until this one is gone."""
        process = self._process
        if process is None:
            return None
        if not self._is_given_up:
            self._read()
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return self._ended(process, status, usage.ru_utime + usage.ru_stime)
        if time.monotonic() >= self._kill_at and not self._is_given_up:
            self.kill()
            self._is_given_up, self._kill_at, self._open = True, float("inf"), []
            return Answer(-signal.SIGKILL, "", "", timed_out=True)
        return None

    def kill(self) -> None:
        """KILL for it and what it started."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it has gone already

    def _read(self) -> None:
        for descriptor in list(self._open):
            try:
                while True:
                    data = os.read(descriptor, CHUNK)
                    if not data:
                        self._open.remove(descriptor)
                        break
                    self._collected[descriptor] = (self._collected[descriptor] + data)[:OUTPUT_LIMIT]
            except BlockingIOError:
                continue

    def _ended(self, process: "subprocess.Popen[bytes]", status: int, cpu_s: float) -> Optional[Answer]:
        process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if not self._is_given_up:
            self._read()
        output, errors = [data.decode("utf-8", "replace") for data in self._collected.values()]
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
        self._process, self._open, self._collected, self._kill_at = None, [], {}, float("inf")
        return None if self._is_given_up else Answer(process.returncode, output, errors, cpu_s)
