"""A real terminal for `hpcc`: a shell in tmux whose keys a test presses and whose screen it reads."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tests.jobs.project import HPCC, Project

TMUX = shutil.which("tmux")
WHY_NOT = "" if TMUX else "tmux is not installed"
PROMPT = "ready> "


class Terminal:
    """A shell in the project's folder."""

    def __init__(self, project: Project, *, width: int = 120, height: int = 40) -> None:
        self._project = project
        self._sockets = tempfile.mkdtemp(prefix="hpcc-tmux-", dir="/tmp")  # a socket's path has to be short
        self._socket = f"hpcc-{uuid.uuid4().hex[:12]}"
        shell = ["env", f"PS1={PROMPT}", "bash", "--norc", "--noprofile", "-i"]
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(project.folder), *shell)
        self.wait(PROMPT.strip())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")
        shutil.rmtree(self._sockets, ignore_errors=True)

    def type(self, line: str) -> None:
        """A line for the shell."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def hpcc(self, *arguments: str) -> None:
        """`hpcc …`, and its exit status behind it: `status=0`."""
        words = [*HPCC, *arguments, "--engine", self._project.engine]
        self.type(f"clear; {shlex.join(words)}; echo status=$?")

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: `j`, `Space`, `PPage`, `C-c`."""
        for key in keys:
            self._tmux("send-keys", key)

    def resize(self, width: int, height: int) -> None:
        """Another size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    @property
    def screen(self) -> str:
        """What a person sees."""
        return self._tmux("capture-pane", "-p")

    def is_alternate(self) -> bool:
        """A full-screen program owns the screen."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    @property
    def modes(self) -> str:
        """What a program may have left behind in the terminal: cursor, mouse, wrapping, keypad."""
        flags = "#{cursor_flag}#{mouse_any_flag}#{wrap_flag}#{keypad_flag}#{keypad_cursor_flag}#{insert_flag}"
        return self._tmux("display-message", "-p", flags).strip()

    def wait(self, wanted: str | Callable[[str], object], timeout: float = 30) -> str:
        """The screen, once it holds the text or the condition is true of it."""
        deadline = time.monotonic() + timeout
        reached = (lambda screen: wanted in screen) if isinstance(wanted, str) else wanted
        while not reached(screen := self.screen):
            assert time.monotonic() < deadline, f"{wanted!r}: not within {timeout} s\n{screen}"
            time.sleep(0.05)
        return screen

    def settings(self) -> str:
        """How the shell's terminal is set: `stty -a`."""
        self.type("clear; stty -a; echo settings=$?")
        return self.wait("settings=0").partition("settings=0")[0]

    def program(self) -> int:
        """The pid of the `hpcc` that runs in the shell."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            listed = subprocess.run(["ps", "-o", "pid=", "--ppid", shell], check=False, capture_output=True, text=True)
            if pids := listed.stdout.split():
                return int(pids[0])
            time.sleep(0.05)
        raise AssertionError("no program runs in the shell")

    def _tmux(self, *arguments: str) -> str:
        environment = {**self._project.environment, "TERM": "xterm-256color"}
        environment.pop("CI", None)
        environment["TMUX_TMPDIR"] = self._sockets
        done = subprocess.run(
            [str(TMUX), "-L", self._socket, "-f", "/dev/null", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            timeout=20,
        )
        return done.stdout
