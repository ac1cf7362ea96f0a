"""`hpcc monitor` over jobs that really run, on both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.project import Project, check_report
from tests.slurm.bench import SlurmBench

JOBS = """
name: eval
runtime: {backend: host}
x-slurm: {time: "00:05:00"}
services:
  work:
    command: sleep 1; exit ${CODE:-0}
"""


def test_jobs_are_watched_to_their_ends(project: Project) -> None:
    """Each change once, the failed job in the summary, status 1."""
    project.write(JOBS)
    good = project.submit()
    project.write(JOBS.replace("${CODE:-0}", "3"))
    bad = project.submit()
    files = ("--jsonl", "records.jsonl", "--log", "log.txt")
    done = project.hpcc("monitor", "--job", good, "--job", bad, "--interval", "1s", *files, code=1)
    rows = records(project)
    for row in rows:
        check_report("monitor", row)
    last = {row["job_id"]: row["current"] for row in rows if row["event"] == "STATE_CHANGE"}
    assert last == {good: "COMPLETED", bad: "FAILED"}
    assert rows[-1]["counts"] == {"COMPLETED": 1, "FAILED": 1}
    assert [job["job_id"] for job in rows[-1]["failed"]] == [bad]
    assert done.stdout == (project.folder / "log.txt").read_text()
    assert f"FAILED: eval/{bad} (Job ID: {bad}, exit code 3)" in done.stdout


SWEEP = """
name: tune
runtime: {backend: host}
sweep: {parameters: {lr: [1, 2]}}
services:
  work:
    command: sleep 1; exit $((lr - 1))
"""


def test_the_trials_of_a_sweep_are_called_by_its_name(tmp_path: Path) -> None:
    """And those of another folder are found by --global."""
    project = Project(tmp_path / "project", "local")
    project.write(SWEEP)
    project.hpcc("sweep", "submit", "--sweep-id", "s1")
    done = project.hpcc("monitor", "--sweep", "s1", "--interval", "1s", "--jsonl", "records.jsonl", code=1)
    names = {row["name"]: row["current"] for row in records(project) if row["event"] == "STATE_CHANGE"}
    assert names == {"s1/t000": "COMPLETED", "s1/t001": "FAILED"}
    assert "2 jobs completed - 1 COMPLETED, 1 FAILED" in done.stdout
    other = Project(tmp_path / "other", "local")
    assert "no job that has not ended" in other.hpcc("monitor", "--global").stderr
    project.hpcc("monitor", "--sweep", "nosuch", code=1)
    assert "different things" in project.hpcc("monitor", "--all", "--sweep", "s1", code=2).stderr
    job = project_job(project, seconds=3)
    found = other.hpcc("monitor", "--global", "--interval", "1s", "--quiet", "--jsonl", "records.jsonl")
    assert found.stdout == ""
    assert {row["job_id"] for row in records(other) if row["event"] == "STATE_CHANGE"} == {job}


@pytest.mark.slurm
def test_an_outage_ends_nothing_and_a_killed_monitor_goes_on(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    """The controller is stopped, the monitor killed and started again, the controller comes back, the jobs end."""
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    jobs = {project_job(project, seconds=14): "COMPLETED", project_job(project, seconds=14, code=3): "FAILED"}
    options = ("--interval", "1s", "--alert-after", "2", "--jsonl", "records.jsonl", "--log", "log.txt")
    arguments = ("monitor", *(word for job in jobs for word in ("--job", job)), *options)
    first = project.start(*arguments)
    project.wait(lambda: told(project, "STATE_CHANGE").count("RUNNING") == 2, "both jobs run")
    slurm_bench.stop_controller()
    try:
        project.wait(lambda: told(project, "ALERT"), "an alert")
        first.kill()
        first.communicate()
        errors = len(told(project, "QUERY_ERROR"))
        second = project.start(*arguments)
        project.wait(lambda: len(told(project, "QUERY_ERROR")) > errors, "the second monitor asks")
    finally:
        slurm_bench.start_controller()
    project.wait(lambda: told(project, "RECOVERED"), "the controller is heard again")
    out, err = second.communicate(timeout=90)
    assert second.returncode == 1, err
    rows = records(project)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    for job, ended in jobs.items():
        chain = [row["current"] for row in rows if row["event"] == "STATE_CHANGE" and row["job_id"] == job]
        assert [chain[0], chain[-1]] == ["RUNNING", ended]
        assert len(chain) == len(set(chain))
    assert len(told(project, "ALERT")) == 1
    assert "goes on watching 2 jobs" in err
    assert out.endswith((project.folder / "log.txt").read_text()[-200:])
    measured = [row for row in rows if row["event"] == "COMPUTE_METRICS"]
    assert [row["measured"] for row in measured] == [True, True]


def project_job(project: Project, *, seconds: int, code: int = 0) -> str:
    """A job that sleeps and then ends so."""
    project.write(JOBS.replace("sleep 1", f"sleep {seconds}").replace("${CODE:-0}", str(code)))
    return project.submit()


def records(project: Project) -> list[dict[str, Any]]:
    """What the JSONL file holds so far."""
    path = project.folder / "records.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def told(project: Project, event: str) -> list[str]:
    """The records of one kind; of state changes the new states."""
    return [row.get("current", event) for row in records(project) if row["event"] == event]
