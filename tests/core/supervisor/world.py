"""A world in which the supervisor runs real jobs: a script with one branch per service, a submit folder, fake Slurm tools."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core import supervisor

TOKEN = "01J0000000000000000000000A"
OTHER_TOKEN = "01J0000000000000000000000B"
PATIENCE_S = 20.0

LOADER = """
import hashlib, json, sys
text = open(sys.argv[1], encoding="utf-8").read()
job, rest = text.split("\\n: <<\\x27JOB\\x27\\n", 1)[1].split("\\nJOB\\n", 1)
source = rest.split("\\n: <<\\x27SOURCE\\x27\\n", 1)[1].rsplit("SOURCE\\n", 1)[0]
assert hashlib.sha256(source.encode()).hexdigest() in rest.split("\\n", 1)[0]
names = {"__name__": "supervisor"}
exec(compile(source, "<supervisor>", "exec"), names)
sys.exit(names["main"](sys.argv[1], json.loads(job), sys.argv[2:]))
"""


def service(
    name: str,
    body: str = "true",
    *,
    after: Sequence[str] | Mapping[str, str] = (),
    policy: str = "fail_job",
    **fields: Any,
) -> dict[str, Any]:
    """A service of a job description, with what its branch of the script runs under `body`.

    `after` names services that must have started, or maps names to conditions without their `service_`.
    Numbers of the policy are given as `max_restarts`, `backoff_s`, `window_s`, `max_restarts_in_window`.
    """
    conditions = after if isinstance(after, Mapping) else dict.fromkeys(after, "started")
    numbers = {
        key: fields.pop(key, None) for key in ("max_restarts", "backoff_s", "window_s", "max_restarts_in_window")
    }
    if policy == "restart_on_failure":
        defaults = {"max_restarts": 3, "backoff_s": 0.05, "window_s": 60, "max_restarts_in_window": 3}
        numbers = {key: default if numbers[key] is None else numbers[key] for key, default in defaults.items()}
    return {
        "name": name,
        "token": name.replace(".", "_x2e_"),
        "step_name": f"hpc-compose:{name}",
        "lifecycle": "main",
        "launch": "srun",
        "depends_on": [{"service": need, "condition": f"service_{how}"} for need, how in conditions.items()],
        "readiness": None,
        "failure_policy": {"mode": policy, **numbers},
        "ports": [],
        "placement_mode": "primary_node",
        "nodes": 1,
        "ntasks": 1,
        "ntasks_per_node": None,
        "body": body,
        **fields,
    }


@dataclass
class Job:
    """A job that was started."""

    process: subprocess.Popen[bytes]
    submit_dir: Path
    folder: Path

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit status of the script."""
        return self.process.wait(timeout_s)

    def signal(self, signum: int) -> None:
        """Signal the supervisor alone."""
        self.process.send_signal(signum)

    @property
    def state(self) -> dict[str, Any]:
        """What state.json holds; empty while there is none."""
        return self.json("state.json")

    @property
    def end(self) -> dict[str, Any]:
        """What end.json holds; empty while there is none."""
        return self.json("end.json")

    @property
    def manifest(self) -> dict[str, Any]:
        """What the artifact manifest holds; empty while there is none."""
        return self.json("artifacts/manifest.json")

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the job folder."""
        path = self.folder / name
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def service(self, name: str) -> dict[str, Any]:
        """A service's object in state.json; empty while there is none."""
        return next((dict(entry) for entry in self.state.get("services", []) if entry["service_name"] == name), {})

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The lines of events.jsonl, all or those of some kinds."""
        found = self.lines("events.jsonl")
        return [row for row in found if not names or row["event"] in names]

    def lines(self, name: str) -> list[dict[str, Any]]:
        """A JSON Lines file of the job folder."""
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def order(self, *names: str) -> list[str]:
        """`service:event` for the events of some kinds, in their order."""
        return [f"{row.get('service', 'job')}:{row['event']}" for row in self.events(*names)]

    def log(self, name: str) -> str:
        """A service's output."""
        path = self.folder / "logs" / f"{name.replace('.', '_x2e_')}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def batch_log(self) -> str:
        """What the supervisor printed."""
        return (self.submit_dir / "batch.log").read_text()

    def until(self, claim: Callable[[], object], what: str = "") -> None:
        """Return once the claim holds; fail when it does not within the patience of these tests."""
        until(claim, lambda: f"{what}\n{self.batch_log}\nstate: {self.state}")

    def until_status(self, name: str, status: str) -> None:
        """Return once the service has that status."""
        self.until(lambda: self.service(name).get("status") == status, f"{name} never became {status}")


def until(claim: Callable[[], object], describe: Callable[[], str] = lambda: "") -> None:
    """Return once the claim holds."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not claim():
        if time.monotonic() > give_up_at:
            raise AssertionError(describe())
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """The process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


@dataclass
class World:
    """A submit folder and what stands in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    hands_over: bool = True
    """False: the submissions of jobs are not made first."""

    @property
    def metadata(self) -> Path:
        """`.hpc-compose`."""
        return self.folder / ".hpc-compose"

    def submission(self, token: str = TOKEN) -> Path:
        """The folder of one submission."""
        return self.metadata / "submissions" / token

    def write_script(self, services: Sequence[Mapping[str, Any]], **description: Any) -> Path:
        """A job script for these services."""
        branches = "".join(
            f"  {shlex.quote('step:' + entry['name'])}) exec bash -c {shlex.quote(entry['body'])} ;;\n"
            for entry in services
        )
        job = {
            "format": 1,
            "release": "test",
            "name": "test",
            "compose_file": "compose.yaml",
            "backend": "host",
            "runtime_root": None,
            "time_limit_s": None,
            "stop_grace_s": 10,
            "artifacts_deadline_s": 10,
            "heartbeat_s": 5,
            "log_index_s": 5,
            "artifacts": None,
            "services": [{key: value for key, value in entry.items() if key != "body"} for entry in services],
            **description,
        }
        text = (
            f'#!/bin/bash\nset -euo pipefail\ncase "${{1:-}}" in\n{branches}  hook:*) exec bash "$2" ;;\nesac\n'
            f'exec "${{HPC_COMPOSE_PYTHON:-python3}}" -I -S -c \'{LOADER}\' "$0" "$@"\n'
            f": <<'JOB'\n{json.dumps(job)}\nJOB\n# {supervisor.sha256()}\n: <<'SOURCE'\n{supervisor.source()}SOURCE\n"
        )
        path = self.folder / "job.sbatch"
        if not path.exists() or path.read_text() != text:  # never under a job that is reading it
            path.write_text(text)
        return path

    def hand_over(self, arguments: Sequence[str]) -> None:
        """Make the submission's folder, as the client does before a job can start."""
        token = arguments[-1].partition(":")[2] if arguments else ""
        folder = self.submission(token)
        if self.hands_over and token.isalnum():
            for path in (folder.parent.parent, folder.parent, folder):
                if path.is_symlink():
                    return  # something hostile, which the job is to meet
                with suppress(FileExistsError):
                    path.mkdir(0o700)

    def start(
        self,
        *services: Mapping[str, Any],
        job_id: str = "41",
        arguments: Sequence[str] = (f"claim:{TOKEN}",),
        environment: Mapping[str, str] | None = None,
        **description: Any,
    ) -> Job:
        """A job of these services, started."""
        script = self.write_script(services, **description)
        self.hand_over(arguments)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "HPC_COMPOSE_ENGINE": "local",
            "HPC_COMPOSE_PYTHON": sys.executable,
            "SLURM_JOB_ID": job_id,
            "SLURM_SUBMIT_DIR": str(self.folder),
            **self.environment,
            **(environment or {}),
        }
        with (self.folder / "batch.log").open("ab") as batch_log:
            process = subprocess.Popen(
                [shutil.which("bash") or "bash", str(script), *arguments],
                cwd=self.folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=batch_log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        root = Path(description.get("runtime_root") or self.metadata)
        job = Job(process, self.folder, root / job_id)
        self.jobs.append(job)
        return job

    def run(self, *services: Mapping[str, Any], **options: Any) -> tuple[int, Job]:
        """The exit status of a job of these services, and the job."""
        job = self.start(*services, **options)
        return job.wait(), job

    def left_running(self) -> list[int]:
        """Processes of any service of this world."""
        mark = f"HPC_COMPOSE_JOB_ROOT={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes() and is_running(int(entry.name)):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


@contextmanager
def opened_world(folder: Path) -> Iterator[World]:
    """A world that leaves no process behind."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder)
    try:
        yield world
    finally:
        for job in world.jobs:
            if job.process.poll() is None:
                job.process.kill()
            job.process.wait()
        for pid in world.left_running():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
