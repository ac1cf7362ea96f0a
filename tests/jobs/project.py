"""A folder with a compose file, and `hpcc` as a user types it there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from compose_core.cli.report_schemas import REPORTS, report_schema

EngineName = Literal["local", "slurm"]


class Project:
    """One user's project folder on one engine."""

    def __init__(self, folder: Path, engine: EngineName, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.engine = engine
        folder.mkdir(parents=True, exist_ok=True)
        home = folder.parent / "home"
        home.mkdir(exist_ok=True)
        scripts = str(Path(sys.executable).parent)
        self.environment = {
            "PATH": f"{scripts}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            **(environment or {}),
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
        }
        self.environment["PATH"] = f"{scripts}:{self.environment['PATH']}"

    def write(self, text: str, name: str = "compose.yaml") -> Path:
        """Put a file into the folder; the text may be indented."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`hpcc …` in the background."""
        return subprocess.Popen(
            [*HPCC, *self._with_engine(arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hpcc(self, *arguments: str, code: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """`hpcc …`, to its end; `code` is the exit status it must have, None any."""
        done = subprocess.run(
            [*HPCC, *self._with_engine(arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        shown = f"hpcc {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self._evidence()}"
        assert "Traceback" not in done.stderr, shown
        assert code is None or done.returncode == code, shown
        return done

    def run_program(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Another program, as the user would run it there."""
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def json(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """The JSON report of `hpcc …`, which has to be what the command's schema promises."""
        report = json.loads(self.hpcc(*arguments, "--format", "json", code=code).stdout)
        names = (" ".join(arguments[:2]), arguments[0])  # `cache list` is one command
        check_report(next(name for name in names if name in REPORTS), report)
        return dict(report)

    def up(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """`hpcc up` to the job's end."""
        return self.json("up", *arguments, code=code)

    def submit(self, *arguments: str) -> str:
        """`hpcc submit`; gives the job id."""
        return str(self.json("submit", *arguments)["job_id"])

    def job_dir(self, job_id: str) -> Path:
        """The job folder."""
        return self.folder / ".hpc-compose" / job_id

    def state(self, job_id: str) -> dict[str, Any]:
        """`state.json`; empty while it is not there."""
        path = self.job_dir(job_id) / "state.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def service(self, job_id: str, name: str) -> dict[str, Any]:
        """One service of `state.json`; empty while it is not there."""
        services = self.state(job_id).get("services", [])
        return next((dict(item) for item in services if item["service_name"] == name), {})

    def events(self, job_id: str, kind: str = "") -> list[dict[str, Any]]:
        """`events.jsonl`, or the events of one kind."""
        lines = (self.job_dir(job_id) / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if kind in ("", event["event"])]

    def log(self, job_id: str, service: str) -> str:
        """The service's output so far."""
        path = self.job_dir(job_id) / "logs" / f"{service}.log"
        return path.read_text() if path.exists() else ""

    def wait(self, reached: Callable[[], object], what: str, timeout: float = 60) -> None:
        """Return once `reached()` is true; fail after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not reached():
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s\n{self._evidence()}"
            time.sleep(0.1)

    def _with_engine(self, arguments: tuple[str, ...]) -> list[str]:
        return [*arguments, "--engine", self.engine]

    def _evidence(self) -> str:
        """What is there to see of the jobs, for a failed assertion."""
        files = [*self.folder.glob("slurm-*.out"), *self.folder.glob(".hpc-compose/*/state.json")]
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in files)


@cache
def validator(command: str) -> Draft202012Validator:
    """Judges the JSON reports of a command by the schema that `hpcc schema --report` prints."""
    return Draft202012Validator(report_schema(command), format_checker=Draft202012Validator.FORMAT_CHECKER)


def check_report(command: str, report: Any) -> None:
    """Fail with the one thing that is wrong with the report."""
    error = best_match(validator(command).iter_errors(report))
    assert error is None, f"{command} at {error.json_path}: {error.message[:500]}"


HPCC = [sys.executable, "-m", "compose_core"]


def processes_with(marker: str) -> list[int]:
    """Pids of the processes whose environment holds the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
