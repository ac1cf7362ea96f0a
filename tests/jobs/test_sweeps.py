"""Sweeps, submitted and looked after as a user does it, on both engines."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

TWELVE = """
    name: twelve
    runtime: {backend: host}
    sweep:
      parameters: {i: [0, 1, 2], j: [a, b]}
      replicates: 2
      throttle: 6
    x-slurm:
      time: "00:02:00"
      setup: ['echo "setup of $i" >> "setups"']
      artifacts: {collect: always, export_dir: "results/${HPC_COMPOSE_SWEEP_TRIAL:-one}", paths: [/hpc-compose/job/made]}
    services:
      work:
        command: |
          echo "$i$j$HPC_COMPOSE_SWEEP_REPLICATE" >> ran
          echo "$HPC_COMPOSE_SWEEP_SEED" > "$HPC_COMPOSE_JOB_DIR/made"
          test "$i$j" != 1a || test -e well
"""
LONG = """
    name: long
    runtime: {backend: host}
    sweep: {parameters: {i: [0, 1, 2, 3]}, throttle: 2}
    x-slurm: {stop_grace_seconds: 1}
    services: {work: {command: 'echo "$i" >> ran; exec sleep 300'}}
"""


def ran(project: Project) -> list[str]:
    """What the services of the trials wrote, one line for each run."""
    path = project.folder / "ran"
    return sorted(path.read_text().split()) if path.exists() else []


def summary(project: Project) -> dict[str, int]:
    """The counts that are not 0."""
    report = project.json("sweep", "status")
    return {status: count for status, count in report["summary"].items() if count}


def test_trials_run_once_and_failed_ones_again(project: Project) -> None:
    """Twelve trials in one array; the two that fail are run again by a resume, under their names."""
    project.write(TWELVE)
    submitted = project.json("sweep", "submit", "--sweep-id", "twelve")
    assert (submitted["submitted"], len(submitted["manifest"]["groups"])) == (12, 1)
    project.hpcc("sweep", "watch", code=1)
    assert summary(project) == {"completed": 10, "failed": 2}
    assert len(ran(project)) == 12
    (project.folder / "well").touch()
    resumed = project.json("sweep", "resume", "--failed")
    assert (resumed["resubmitted"], resumed["skipped_already_submitted"]) == (2, 10)
    assert project.json("sweep", "watch")["summary"]["completed"] == 12
    assert ran(project) == sorted([*(f"{i}{j}{r}" for i in "012" for j in "ab" for r in "01"), "1a0", "1a1"])
    trials: list[dict[str, Any]] = project.json("sweep", "status")["trials"]
    again = [trial for trial in trials if trial["attempts"] == 2]
    assert {trial["variables"]["i"] + trial["variables"]["j"] for trial in again} == {"1a"}
    assert sorted(set((project.folder / "setups").read_text().split("\n"))) == [
        "",
        "setup of 0",
        "setup of 1",
        "setup of 2",
    ]
    project.hpcc("artifacts", "--job-id", again[0]["job_id"])
    made = project.folder / "results" / again[0]["trial_id"] / "made"
    assert made.read_text().strip() == submitted["manifest"]["trials"][again[0]["index"]]["seed"]
    listed = project.json("sweep", "list")["sweeps"]
    assert [(one["sweep_id"], one["trials"], one["submitted"]) for one in listed] == [("twelve", 12, 12)]
    assert project.json("status", "--job-id", again[0]["job_id"])["terminal"]


def test_a_stopped_sweep_ends_and_can_be_gone_on_with(project: Project) -> None:
    """One request for the whole array; the manifest keeps the reason."""
    project.write(LONG)
    project.hpcc("sweep", "submit")
    deadline = time.monotonic() + 60
    while len(ran(project)) < 2:
        assert time.monotonic() < deadline, project.hpcc("sweep", "status").stdout
        time.sleep(0.2)
    stopped = project.json("sweep", "stop", "--yes", "--reason", "enough")
    assert (stopped["confirmed"], stopped["stop_reason"], len(stopped["cancelled_jobs"])) == (True, "enough", 1)
    assert summary(project) == {"failed": 4}
    assert ran(project) == ["0", "1"]
    assert "nothing to submit" in project.hpcc("sweep", "resume").stderr
    assert project.json("sweep", "resume", "--failed", "--dry-run")["dry_run"]


def test_a_script_that_was_changed_is_not_run(project: Project) -> None:
    """The trial fails, says why in its batch log, and a resume runs it as it was."""
    project.write(LONG.replace("exec sleep 300", "true").replace("throttle: 2", "throttle: 1"))
    manifest = project.json("sweep", "submit", "--dry-run")["manifest"]
    assert [trial["variables"] for trial in manifest["trials"]] == [{"i": text} for text in "0123"]
    project.write(LONG.replace("exec sleep 300", "sleep 2").replace("throttle: 2", "throttle: 1"))
    manifest = project.json("sweep", "submit")["manifest"]
    script = Path(manifest["trials"][3]["script_path"])
    script.write_text(script.read_text() + "echo more\n")
    project.hpcc("sweep", "watch", code=1)
    assert summary(project) == {"completed": 3, "failed": 1}
    assert ran(project) == ["0", "1", "2"]
    (trial,) = [one for one in project.json("sweep", "status")["trials"] if one["status"] == "failed"]
    logs = "".join(path.read_text() for path in project.folder.glob("slurm-*.out"))
    assert "was changed after it was submitted" in logs
    assert trial["exit_code"] in (3, None)  # None: squeue does not tell it


def test_the_example_of_a_sweep_runs(tmp_path: Path, repository: Path) -> None:
    """Six trainings on the local engine; each keeps its weights."""
    project = Project(tmp_path / "project", "local")
    shutil.copytree(repository / "examples" / "training-sweep", project.folder, dirs_exist_ok=True)
    project.hpcc("sweep", "submit")
    report = project.json("sweep", "watch")
    assert report["summary"]["completed"] == len(report["trials"]) == 6
    trial = report["trials"][0]
    figures = (project.job_dir(trial["job_id"]) / "trial.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in figures] == [0, 1, 2, 3, 4]
    project.hpcc("artifacts", "--job-id", trial["job_id"])
    assert (project.folder / "results" / trial["trial_id"] / "model" / "weights.json").exists()


@pytest.mark.slurm
def test_a_controller_that_is_restarted_loses_no_trial(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    """In the middle of a sweep: each trial still runs once."""
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    project.write(
        """
        runtime: {backend: host}
        sweep: {parameters: {i: {from: 0, to: 11, samples: 12, integer: true}}, throttle: 4}
        services: {work: {command: 'echo "$i" >> ran; sleep 1'}}
        """
    )
    project.hpcc("sweep", "submit")
    deadline = time.monotonic() + 60
    while len(ran(project)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    slurm_bench.stop_controller()
    slurm_bench.start_controller()
    assert project.json("sweep", "watch")["summary"]["completed"] == 12
    assert ran(project) == sorted(map(str, range(12)))
