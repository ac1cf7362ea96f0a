"""A real Slurm whose daemons freeze, die and come back, and clients that die beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import KILL_POINTS
from tests.faults.profile import in_full_profile_only, sized
from tests.faults.table import Tell, measured
from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm

COUNTED = """
    name: counted
    runtime: {backend: host}
    services:
      work: {command: 'echo "$SLURM_JOB_ID" >> ran; sleep 1'}
"""
LONG = """
    name: long
    runtime: {backend: host}
    x-slurm: {stop_grace_seconds: 1}
    services: {work: {command: 'echo "$SLURM_JOB_ID" >> ran; exec sleep 300'}}
"""
KILLED_AT = """
import sys
from tests.faults.clients import at_step, killed
from compose_core.cli import main
point = int(sys.argv.pop(1))
at_step(point, killed)
sys.exit(main.run(sys.argv[1:]))
"""


@contextmanager
def project_on(bench: SlurmBench, folder: Path) -> Iterator[Project]:
    """A fresh project on the cluster; nothing of it runs on."""
    try:
        yield Project(folder / "project", "slurm", bench.environment)
    finally:
        bench.cancel_all_jobs()


def ran(project: Project) -> list[str]:
    """The ids of the jobs whose service ran, once per run."""
    path = project.folder / "ran"
    return path.read_text().split() if path.exists() else []


def killed_at(project: Project, point: int, *words: str) -> bool:
    """True when `hpcc …` was killed at this step."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(point), *words, "--engine", "slurm"],
        cwd=project.folder,
        env={**project.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return done.returncode == -signal.SIGKILL


def settled(project: Project, *, timeout: float = 120) -> list[dict[str, Any]]:
    """The jobs, once all are final and no submission is open."""
    deadline = time.monotonic() + timeout
    while True:
        report = project.json("jobs", "--all", code=None)
        is_open = [one for one in report.get("open_submissions", []) if one["created_at"]]
        if "jobs" in report and not is_open and all(job["terminal"] for job in report["jobs"]):
            return list(report["jobs"])
        assert time.monotonic() < deadline, json.dumps(report)[:2000]
        time.sleep(1)


def had_a_job(submission: Path) -> bool:
    """A job has claimed it, or came of it."""
    outcome = submission / "outcome.json"
    became = json.loads(outcome.read_text())["outcome"] if outcome.exists() else None
    return became == "submitted" or (submission / "claim").exists()


def test_a_client_killed_on_a_real_slurm(slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell) -> None:
    """The next `submit` with the key comes to one job that ran once; the next `cancel` ends it; `down` removes it."""
    with measured(tell, f"{KILL_POINTS}, real Slurm: lost + run twice") as figure:
        for number in range(sized(short=2, full=24)):
            point = 6 + 4 * number
            with figure.trial(f"step {point}"), project_on(slurm_bench, shared_tmp / str(number)) as project:
                project.write(LONG)
                was_killed = killed_at(project, point, "submit", "--run-key", "k")
                job = project.submit("--run-key", "k")
                project.wait(lambda: ran(project), "the service runs")
                killed_at(project, 3 + number % 12, "cancel")
                project.hpcc("cancel")
                assert [item["state"] for item in settled(project)] == ["CANCELLED"]
                killed_at(project, 5 + 3 * number, "down")
                project.hpcc("down", code=None)
                assert project.json("jobs")["jobs"] == []
                assert ran(project) == [job], was_killed
                left = project.folder.glob(
                    ".hpc-compose/submissions/*"
                )  # of the killed `submit`, for `clean` when it is old
                assert not [folder for folder in left if had_a_job(folder)]


@in_full_profile_only
def test_controllers_that_freeze_during_a_submit(slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell) -> None:
    """sbatch gives up, the controller takes the job later: it runs once."""
    with measured(tell, "slurmctld frozen during submit: run twice + lost") as figure:
        for number in range(4):
            with figure.trial(f"trial {number}"), project_on(slurm_bench, shared_tmp / str(number)) as project:
                project.write(COUNTED)
                slurm_bench.freeze_controller()
                try:
                    client = project.start("submit", "--run-key", "k")
                    project.wait(lambda: list(project.folder.glob(".hpc-compose/submissions/*/submitting.*")), "sbatch")
                    time.sleep(slurm_bench.layout.message_timeout_s + 2 + number)
                    if number % 2:
                        client.kill()
                finally:
                    slurm_bench.thaw_controller()
                client.communicate(timeout=180)
                job = project.submit("--run-key", "k")
                assert [item["state"] for item in settled(project)] == ["COMPLETED"]
                assert ran(project) == [job]


@in_full_profile_only
def test_controllers_killed_after_they_took_a_job(slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell) -> None:
    """It runs once per attempt of Slurm's, which may put a job back whose start it forgot; or all was forgotten: LOST."""
    with measured(tell, "slurmctld killed after accept and restarted: run twice + wrong end") as figure:
        for number in range(sized(short=1, full=4)):
            with figure.trial(f"trial {number}"), project_on(slurm_bench, shared_tmp / str(number)) as project:
                project.write(COUNTED.replace("$SLURM_JOB_ID", "$SLURM_JOB_ID.$HPC_COMPOSE_ATTEMPT"))
                job = project.submit("--run-key", "k")
                slurm_bench.kill_controller()
                slurm_bench.start_controller()
                again = project.submit("--run-key", "k")
                assert again == job
                states = [item["state"] for item in settled(project, timeout=300)]
                assert states[0] in (("COMPLETED",) if ran(project) else ("LOST", "FAILED")), states
                runs = ran(project)
                assert runs == [f"{job}.{attempt}" for attempt in range(len(runs))], runs


@in_full_profile_only
def test_a_controller_that_is_down_for_long(slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell) -> None:
    """A running job stays RUNNING by its heartbeat, a waiting submit stays open, and all ends well afterwards."""
    with (
        measured(tell, "slurmctld down for 90 s: wrong ends + run twice") as figure,
        project_on(slurm_bench, shared_tmp / "running") as running,
        project_on(slurm_bench, shared_tmp / "waiting") as waiting,
    ):
        running.write(COUNTED.replace("sleep 1", "sleep 100"))
        waiting.write(COUNTED)
        job = running.submit()
        running.wait(lambda: ran(running), "the service runs")
        slurm_bench.kill_controller()
        until = time.monotonic() + 90
        try:
            with figure.trial("a submit meanwhile"):
                waiting.hpcc("submit", "--run-key", "k", code=4)
            while time.monotonic() < until:
                with figure.trial("a look meanwhile"):
                    report = running.json("status", code=None)
                    assert (report["state"], report["terminal"]) == ("RUNNING", False), report
                with figure.trial("a clean meanwhile"):
                    running.hpcc("clean", "--keep", "0", code=None)
                    assert running.state(job), "the files of a running job went"
                time.sleep(5)
        finally:
            slurm_bench.start_controller()
        with figure.trial("afterwards"):
            waiting.submit("--run-key", "k")
            assert [item["state"] for item in settled(waiting)] == ["COMPLETED"]
            assert len(ran(waiting)) == 1
            assert [item["state"] for item in settled(running)] == ["COMPLETED"]
            assert ran(running) == [job]


@in_full_profile_only
def test_an_accounting_that_is_down(slurm_bench: SlurmBench, shared_tmp: Path, tell: Tell) -> None:
    """Jobs are submitted, end and are told apart all the same; nothing changes when it comes back."""
    with (
        measured(tell, "slurmdbd down: wrong ends + run twice") as figure,
        project_on(slurm_bench, shared_tmp / "project") as project,
    ):
        slurm_bench.stop_database()
        try:
            with figure.trial("a job that ends well"):
                project.write(COUNTED)
                assert project.up()["state"] == "COMPLETED"
            with figure.trial("a job that fails"):
                project.write("runtime: {backend: host}\nservices: {a: {command: exit 3}}\n")
                assert project.up(code=1)["exit_code"] == 3
            with figure.trial("a job that is cancelled before it says a word"):
                project.write(COUNTED + "\n    x-slurm: {submit_args: ['--hold']}\n")
                project.submit()
                project.hpcc("cancel", code=None)
            before = [item["state"] for item in project.json("jobs", "--all")["jobs"]]
        finally:
            slurm_bench.start_database()
        with figure.trial("when it is back"):
            time.sleep(5)
            after = [item["state"] for item in settled(project, timeout=300)]
            assert after[1:] == before[1:] == ["FAILED", "COMPLETED"]
            assert after[0] == "CANCELLED"
            assert len(ran(project)) == 1
