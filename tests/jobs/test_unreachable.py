"""A scheduler that cannot be reached, played by programs that answer as the real ones do then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.jobs.project import Project

DOWN = """#!/bin/sh
echo "$0: error: Unable to contact slurm controller (connect failure)" >&2
exit 1
"""
COUNTING_SBATCH = """#!/bin/sh
echo called >> "$CALLS"
echo "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)" >&2
exit 1
"""


@pytest.fixture
def stranded(tmp_path: Path) -> Project:
    """A project whose scheduler's programs find no controller."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("squeue", "sacct", "scontrol", "scancel", "sinfo"):
        (programs / name).write_text(DOWN)
    (programs / "sbatch").write_text(COUNTING_SBATCH)
    for path in programs.iterdir():
        path.chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    project = Project(tmp_path / "project", "slurm", environment)
    project.write("runtime: {backend: host}\nservices: {work: {command: 'true'}}\n")
    return project


def test_a_submit_ends_with_4_and_keeps_the_intent(stranded: Project) -> None:
    """With what to do about it, and without a job."""
    report = json.loads(stranded.hpcc("submit", "--format", "json", code=4).stdout)
    problem = report["error"]["problems"][0]
    assert problem["code"] == "scheduler-unreachable"
    assert "never submits it twice" in problem["remedy"]
    assert len(list(stranded.folder.glob(".hpc-compose/submissions/*/intent.json"))) == 1
    assert list(stranded.folder.glob(".hpc-compose/jobs/*.json")) == []


@pytest.mark.parametrize("command", ["status", "ps", "logs", "cancel", "artifacts"])
def test_the_next_command_cannot_tell_either(stranded: Project, command: str) -> None:
    """4, because nobody knows whether there is a job."""
    stranded.hpcc("submit", code=4)
    assert "submission" in stranded.hpcc(command, code=4).stderr


def test_jobs_lists_what_is_open(stranded: Project) -> None:
    """So that a person can name it."""
    stranded.hpcc("submit", code=4)
    report = stranded.json("jobs")
    assert report["jobs"] == []
    assert [item["status"] for item in report["open_submissions"]] == ["unanswered"]


def test_an_open_submission_can_be_cancelled_before_it_has_a_job(stranded: Project) -> None:
    """Should the job turn up, it ends before its first service."""
    stranded.hpcc("submit", code=4)
    token = stranded.json("jobs")["open_submissions"][0]["token"]
    answer = stranded.json("cancel", "--submission", token, code=4)
    assert (answer["requested"], answer["confirmed"]) == (True, False)
    assert (stranded.folder / ".hpc-compose/submissions" / token / "cancel_requested").exists()
    stranded.hpcc("cancel", "--submission", "01AAAAAAAAAAAAAAAAAAAAAAAA", code=1)


def test_the_same_run_key_never_submits_while_the_first_attempt_is_in_doubt(stranded: Project) -> None:
    """sbatch was called once."""
    for _ in range(3):
        stranded.hpcc("submit", "--run-key", "task", code=4)
    calls = Path(stranded.environment["CALLS"]).read_text().splitlines()
    assert calls == ["called"]
    assert len(list(stranded.folder.glob(".hpc-compose/submissions/*/intent.json"))) == 1


def test_verbose_counts_the_calls_that_came_to_nothing(stranded: Project) -> None:
    """With the time that they took."""
    stranded.hpcc("submit", code=4)
    said = stranded.hpcc("jobs", "--verbose").stderr
    assert "scheduler: sacct 1 time in 0." in said
    assert "squeue 1 time in 0." in said
