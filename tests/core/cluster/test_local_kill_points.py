"""The client of the local engine, killed before each thing that it writes or starts: the work is done once all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from compose_core.clock import SystemClock
from compose_core.cluster.engine import Accepted, Rows, SubmitRequest
from compose_core.cluster.local import LocalEngine
from compose_core.cluster.local_monitor import kill_strays
from compose_core.cluster.runner import HostRunner
from compose_core.job_state import JobState
from compose_core.records.token import new_token

_CLIENT = """
import os, signal, sys
from pathlib import Path
from tests_client import engine_of, request_of
events = {"os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "subprocess.Popen", "os.posix_spawn"}
left = int(sys.argv[3])
def hook(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if event in events or writes:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
engine, request = engine_of(Path(sys.argv[1])), request_of(Path(sys.argv[1]), sys.argv[2])
sys.addaudithook(hook)
print(engine.submit(request))
"""


def engine_of(folder: Path) -> LocalEngine:
    """A client of the user whose state lies in the folder."""
    environment = {"PATH": os.environ["PATH"]}
    return LocalEngine(
        state_dir=folder / "state",
        environment=environment,
        user="ada",
        host="here",
        clock=SystemClock(),
        runner=HostRunner(environment),
    )


def request_of(folder: Path, token: str) -> SubmitRequest:
    """A job that notes that it ran."""
    script = folder / f"{token}.sbatch"
    script.write_text(f"#!/bin/bash\necho run >> {folder}/{token}.runs\n", encoding="utf-8")
    return SubmitRequest(token=token, script=script, project_dir=folder, job_name="x")


def test_a_client_killed_at_any_point_leaves_one_job_or_none_and_submitting_again_makes_it_one(tmp_path: Path) -> None:
    points = 0
    while _killed_at(points + 1, tmp_path):
        points += 1
    assert points >= 10


def _killed_at(point: int, folder: Path) -> bool:
    """Whether the client got so far as to be killed there; checks what it left behind."""
    token = new_token(1_800_000_000 + point, b"kill-point")
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + _CLIENT.replace(
        "tests_client", Path(__file__).stem
    )
    client = subprocess.run(
        [sys.executable, "-c", code, str(folder), token, str(point)], capture_output=True, text=True, check=False
    )
    assert client.returncode in (0, -signal.SIGKILL), client.stderr
    engine = engine_of(folder)
    before = engine.find_token(token, since_epoch_s=0)[0]
    assert isinstance(before, Rows)
    answer = engine.submit(request_of(folder, token))
    assert isinstance(answer, Accepted), answer
    assert [row.job_id for row in before.rows] in ([], [answer.job_id])
    deadline = time.monotonic() + 20
    while True:
        rows = engine.accounting([answer.job_id], since_epoch_s=0)
        assert isinstance(rows, Rows)
        if rows.rows and rows.rows[0].state is JobState.COMPLETED:
            break
        assert time.monotonic() < deadline, rows
        time.sleep(0.01)
    kill_strays(token)
    assert (folder / f"{token}.runs").read_text(encoding="utf-8") == "run\n"
    return client.returncode != 0
