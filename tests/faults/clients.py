"""A project on the local engine, and `hpcc` in child processes that are killed or failed at any step."""

from __future__ import annotations

import errno
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import compose_core
from compose_core.cluster.local_monitor import TOKEN_VARIABLE, kill_strays

STEPS = frozenset(
    {
        "os.chmod", "os.fork", "os.kill", "os.link", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir",
        "os.symlink", "os.truncate", "socket.connect", "subprocess.Popen",
    }
)  # fmt: skip
"""What the interpreter tells an audit hook before it does it; opening for writing, and writes and syncs, come on top."""
FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ESTALE)
QUICK = """
    name: quick
    runtime: {backend: host}
    x-slurm: {artifacts: {export_dir: out, paths: [/hpc-compose/job/made/*]}}
    services:
      work:
        script: |
          echo "$HPC_COMPOSE_JOB_ID" >> ran
          mkdir -p "$HPC_COMPOSE_JOB_DIR/made"
          echo one > "$HPC_COMPOSE_JOB_DIR/made/one"
          echo two > "$HPC_COMPOSE_JOB_DIR/made/two"
"""
LONG = """
    name: long
    runtime: {backend: host}
    x-slurm: {stop_grace_seconds: 2}
    services: {work: {command: 'echo "$HPC_COMPOSE_JOB_ID" >> ran; exec sleep 300'}}
"""


@dataclass(frozen=True)
class Ended:
    """How a child ended, and what it said."""

    code: int
    """Negative: the signal that killed it."""
    stdout: str
    stderr: str

    @property
    def was_killed(self) -> bool:
        """It did not come to its own end."""
        return self.code == -signal.SIGKILL

    def json(self) -> dict[str, Any]:
        """The report on stdout."""
        return dict(json.loads(self.stdout))


Happening = Callable[[str, str], None]
"""What happens at a step: gets the step's name, and what it is done to."""


class Bed:
    """One project and its user's state, below a folder that can be put back to what it was."""

    def __init__(self, folder: Path, *, said: Path | None = None) -> None:
        self.folder = folder
        self.said = said or folder
        self.project = folder / "world" / "project"
        self.state_home = folder / "world" / "state"
        self.project.mkdir(parents=True)
        self.state_home.mkdir()
        _import_everything()

    def write(self, text: str) -> None:
        (self.project / "compose.yaml").write_text(textwrap.dedent(text))

    def keep(self) -> None:
        """Remember the world as it is now."""
        shutil.copytree(self.folder / "world", self.folder / "kept", symlinks=True)

    def put_back(self) -> None:
        """The world is as it was when it was kept."""
        self.end_jobs()
        shutil.rmtree(self.folder / "world")
        shutil.copytree(self.folder / "kept", self.folder / "world", symlinks=True)

    def hpcc(self, *words: str, before: Callable[[], None] | None = None, code: int | None = None) -> Ended:
        """`hpcc …` in a child; `before` runs in it first."""
        child = os.fork()
        if child == 0:
            self.be_hpcc([*words, "--engine", "local"], before)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = [(self.said / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        ended = Ended(status, *said)
        assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
        assert code is None or ended.code == code, f"hpcc {' '.join(words)}: {ended}"
        return ended

    def be_hpcc(self, words: list[str], before: Callable[[], None] | None) -> None:
        """Be that command, in a child, to its end."""
        status = 70
        try:
            for number, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(self.said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(self.project)
            path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            home = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.state_home)}
            os.environ.clear()
            os.environ.update({"PATH": path, "LANG": "C.UTF-8", **home})
            if before is not None:
                before()
            from compose_core.cli.main import run

            status = run(words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - whatever it was, the parent reads it
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def steps_of(self, *words: str, reads: bool = False) -> int:
        """How many steps the command takes, from the world that is kept."""
        counted = self.folder / "counted"
        self.hpcc(*words, before=lambda: at_step(0, lambda name, of: None, counted, reads=reads))
        count = int(counted.read_text())
        self.put_back()
        return count

    def with_jobs(self, count: int) -> list[str]:
        """Jobs that have ended, the last one with the run key `k`."""
        self.write(QUICK)
        for number in range(count):
            self.hpcc("submit", *(("--run-key", "k") if number == count - 1 else ()), code=0)
            self.wait_until_over()
        return self.ran()

    # -- what is there

    def ran(self) -> list[str]:
        """The ids of the jobs whose service ran, once per run."""
        path = self.project / "ran"
        return path.read_text().split() if path.exists() else []

    def jobs(self) -> dict[str, str]:
        """State by id, as `hpcc jobs` tells."""
        return {
            job["job_id"]: job["state"] for job in self.hpcc("jobs", "--all", "--format", "json", code=0).json()["jobs"]
        }

    def wait_until_over(self) -> dict[str, str]:
        """The jobs' states, once all of them are final."""
        deadline = time.monotonic() + 60
        while True:
            report = self.hpcc("jobs", "--all", "--format", "json", code=0).json()
            still_open = [one for one in report["open_submissions"] if one["created_at"]]  # else it wanted nothing yet
            assert still_open == [], still_open
            if all(job["terminal"] for job in report["jobs"]):
                return {job["job_id"]: job["state"] for job in report["jobs"]}
            assert time.monotonic() < deadline, report
            time.sleep(0.05)

    def wait_until_running(self) -> str:
        """The id of the job, once its service runs."""
        deadline = time.monotonic() + 60
        while not self.ran():
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.02)
        return self.ran()[0]

    def check_whole(self) -> None:
        """No file of ours is torn or damaged."""
        for path in (self.project / ".hpc-compose").rglob("*.json"):
            if not any(part.startswith(".") for part in path.relative_to(self.project / ".hpc-compose").parts):
                json.loads(path.read_text())
        for path in self.files("*.jsonl"):
            for line in path.read_text().splitlines():
                json.loads(line)

    def files(self, pattern: str = "*") -> list[Path]:
        """The files of ours."""
        return sorted(path for path in (self.project / ".hpc-compose").rglob(pattern) if not path.is_dir())

    def removals(self) -> list[str]:
        """Tokens of the submissions whose removal has begun."""
        return [path.stem for path in (self.project / ".hpc-compose" / "removals").glob("[!.]*.json")]

    def end_jobs(self) -> None:
        """Nothing of this world runs on."""
        tokens = self.state_home / "hpc-compose" / "local" / "tokens"
        for path in tokens.iterdir() if tokens.is_dir() else ():
            kill_strays(path.name)
            _wait_for_the_keepers(path.name)


def _wait_for_the_keepers(token: str) -> None:
    """A keeper of that job ends by itself and writes how the job ended; until then the world is not ours to remove."""
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    deadline = time.monotonic() + 30
    while any(mark in environment for environment in _environments()):
        assert time.monotonic() < deadline, f"a keeper of {token} does not end"
        time.sleep(0.01)


def _environments() -> Iterator[list[bytes]]:
    """The environment of each process that can be looked into."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (folder / "environ").read_bytes().split(b"\0")


def at_step(point: int, happening: Happening, counted: Path | None = None, *, reads: bool = False) -> None:
    """From now on, let it happen at the step with this number; with 0 never. `counted` gets the number of steps at the end.

    With `reads` the steps are the files and folders of ours that are opened for reading.
    """
    seen = 0

    def step(name: str, of: object) -> None:
        nonlocal seen
        seen += 1
        if counted is not None:
            _note(counted, seen)
        if seen == point:
            happening(name, str(of))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            name, _, flags = arguments
            writes = isinstance(flags, int) and bool(flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))
            ours = isinstance(name, str) and "/" not in name  # opened in a folder that is open already
            if (ours and not writes) if reads else (writes and str(name) not in (str(counted), os.devnull)):
                step(event, name)
        elif event in STEPS and not reads:
            step(event, arguments[0] if arguments else "")

    if not reads:
        for name in ("write", "fsync"):
            setattr(os, name, _stepping(getattr(os, name), name, step))
    sys.addaudithook(hook)


_plain_open, _plain_write, _plain_close = os.open, os.write, os.close


def _note(path: Path, count: int) -> None:
    descriptor = _plain_open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    _plain_write(descriptor, str(count).encode())
    _plain_close(descriptor)


def _stepping(plain: Callable[..., Any], name: str, step: Callable[[str, object], None]) -> Callable[..., Any]:
    def stepped(*arguments: Any) -> Any:
        step(name, arguments[0])
        return plain(*arguments)

    return stepped


def killed(_name: str, _of: str) -> None:
    """The client is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing(number: int) -> Happening:
    """The step fails with this errno."""

    def fail(_name: str, _of: str) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@cache
def _import_everything() -> None:
    """So that a child's steps are the command's own."""
    for module in _modules():
        importlib.import_module(module)


def _modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(compose_core.__path__, "compose_core."):
        if not found.name.startswith(("compose_core.supervisor.", "compose_core.testing", "compose_core.__main__")):
            yield found.name
