"""A folder with a workflow, and Snakemake as a user types it there, on either engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from compose_core import Site, request_ends, tracked_jobs


class Workflow:
    """One user's workflow."""

    def __init__(self, folder: Path, engine: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.engine = engine
        home = folder.parent / "home"
        home.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        scripts = str(Path(sys.executable).parent)
        given = environment or {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        self.environment = {
            "LANG": "C.UTF-8",
            **given,
            "PATH": f"{scripts}:{given['PATH']}",
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONUNBUFFERED": "1",
        }
        self.started: list[subprocess.Popen[str]] = []

    def write(self, text: str, name: str = "Snakefile") -> Path:
        """Put a file into the folder; the text may be indented."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def command(self, *arguments: str) -> list[str]:
        """Snakemake's command line here."""
        ours = ["--executor", "hpccompose", "--hpccompose-engine", self.engine, "--latency-wait", "5"]
        return [sys.executable, "-m", "snakemake", *ours, *arguments]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Snakemake in the background, its output in `run.log`."""
        with (self.folder / "run.log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout: float = 150, **environment: str) -> subprocess.CompletedProcess[str]:
        """Snakemake to its end; both streams in `stdout`. One that hangs is killed and fails the test with what it said."""
        process = self.start(*arguments, **environment)
        try:
            rc = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"Snakemake did not end in {timeout} s:\n{self.said()[-6000:]}")
        return subprocess.CompletedProcess(process.args, rc, stdout=self.said())

    def said(self) -> str:
        """All that Snakemake has said in this folder."""
        path = self.folder / "run.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9, and the lock that it leaves behind removed as a user does it."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        unlocked = self.run("--unlock")
        assert unlocked.returncode == 0, unlocked.stdout

    def until(self, happens: Callable[[], object], *, seconds: float = 60, what: str = "it") -> None:
        """Wait until it has happened."""
        deadline = time.monotonic() + seconds
        while not happens():
            assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s:\n{self.said()[-4000:]}"
            time.sleep(0.1)

    def text(self, name: str) -> str:
        """What the file holds."""
        return (self.folder / name).read_text(encoding="utf-8")

    def exists(self, *names: str) -> bool:
        """All of these are there."""
        return all((self.folder / name).exists() for name in names)

    @property
    def submissions(self) -> int:
        """How many jobs and arrays there ever were."""
        return len(tracked_jobs(self.folder).records)

    @property
    def site(self) -> Site:
        """The site as this user sees it."""
        return Site.detect(self.engine, self.environment)

    def ledger(self) -> list[dict[str, Any]]:
        """The lines of the ledger."""
        path = self.folder / ".snakemake/hpccompose/ledger.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def end(self) -> None:
        """Nothing of it goes on."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
        records = tracked_jobs(self.folder).records
        if records:
            request_ends(self.site, records)
