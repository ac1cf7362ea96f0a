"""What `jobs`, `debug`, `status` and `ps` say of jobs that wait, run, failed and were cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

BAD = """
    name: bad
    runtime: {backend: host}
    services:
      app: {command: "echo here; trainn --epochs 3"}
      web: {command: sleep 60}
"""
SLOW = """
    name: slow
    runtime: {backend: host}
    x-slurm: {time: "00:05:00"}
    services:
      app: {command: "echo begun; sleep 60"}
"""
BRIEF = """
    name: brief
    runtime: {backend: host}
    services:
      app: {command: sleep 2}
"""


def test_a_failed_job_is_explained(project: Project) -> None:
    """By the service that failed first, its exit code, and the line of its log that says why."""
    project.write(BAD)
    job = str(project.up(code=1)["job_id"])
    report = project.json("debug")
    assert (report["job_id"], report["failed"], report["exit_code"]) == (job, True, 127)
    assert report["failing_service"]["service_name"] == "app"
    assert report["likely_causes"][0]["name"] == "command_not_found"
    assert any("trainn" in line for line in report["likely_causes"][0]["evidence"])
    assert [log["kind"] for log in report["logs"]] == ["service", "batch"]
    text = project.hpcc("debug", job).stdout
    assert "the command was not found" in text
    assert f"hpcc logs --job-id {job} --service app --all" in text


def test_a_running_job_and_one_that_was_cancelled_are_told_apart(project: Project) -> None:
    """In every command."""
    project.write(SLOW)
    job = project.submit()
    project.wait(lambda: "begun" in project.log(job, "app"), "the service runs")
    report = project.json("debug")
    assert (report["state"], report["likely_causes"]) == ("RUNNING", [])
    assert report["logs"][0]["lines"] == ["begun"]
    status = project.json("status")
    assert status["walltime"]["limit_s"] == 300
    assert 0 <= status["walltime"]["used_s"] <= 300 - status["walltime"]["remaining_s"] + 1
    assert status["services"][0]["present"] is True
    assert status["batch_log"]["present"] is True
    assert project.json("ps")["services"][0]["size_bytes"] == len("begun\n")
    project.json("cancel")
    assert [cause["name"] for cause in project.json("debug")["likely_causes"]] == ["cancelled"]
    assert [item["state"] for item in project.json("jobs", "--state", "cancelled")["jobs"]] == ["CANCELLED"]


def test_a_list_shows_what_is_going_on_and_what_ended_last(project: Project) -> None:
    """And all of it when asked; watching ends with the last job."""
    project.write(BAD)
    first, second = (str(project.up(code=1)["job_id"]) for _ in range(2))
    project.write(BRIEF)
    third = project.submit()
    watching = project.start("jobs", "--watch")
    shown = {item["job_id"] for item in project.json("jobs")["jobs"]}
    assert shown in ({second, third}, {third})
    stdout, stderr = watching.communicate(timeout=60)
    assert watching.returncode == 0, stderr
    lines = [line.split(" ", 1)[1] for line in stdout.splitlines()]
    assert lines[0].startswith(f"{second} bad FAILED")
    assert lines[-1].startswith(f"{third} brief ")
    assert lines[-1].endswith("COMPLETED")
    assert [item["job_id"] for item in project.json("jobs")["jobs"]] == [third]
    report = project.json("jobs", "--all", "--verbose")
    assert [item["job_id"] for item in report["jobs"]] == [third, second, first]
    asked = project.hpcc("jobs", "--all", "--verbose").stderr
    assert "not asked" in asked
    assert [item["job_id"] for item in project.json("jobs", "--name", "bad", "--limit", "1")["jobs"]] == [second]
    assert len(project.json("jobs", "--global", "--state", "failed")["jobs"]) == 2
    project.hpcc("jobs", "--watch", "--format", "json", code=2)


@pytest.fixture
def slurm_project(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """A project on Slurm."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


@pytest.mark.slurm
def test_jobs_that_wait_say_for_what_and_for_how_long(slurm_project: Project) -> None:
    """A held one, one with an earliest start, and one without room beside others."""
    slurm_project.write(SLOW.replace("x-slurm: {", "x-slurm: {submit_args: ['--hold'], "))
    held = slurm_project.submit()
    slurm_project.write(SLOW.replace("x-slurm: {", "x-slurm: {submit_args: ['--begin=now+1hour'], "))
    later = slurm_project.submit()
    slurm_project.write(SLOW.replace("x-slurm: {", "x-slurm: {nodes: 4, cpus_per_task: 8, "))
    running = slurm_project.submit()
    slurm_project.wait(lambda: slurm_project.state(running).get("job_status") == "RUNNING", "it runs")
    crowded = slurm_project.submit()
    slurm_project.wait(lambda: _reason(slurm_project, crowded) == "Resources", "the reason is known", timeout=60)
    report = slurm_project.json("debug", held)
    assert report["reason"] == "JobHeldUser"
    assert "it will not start by itself" in report["facts"]
    assert report["next_commands"][0]["command"] == f"scontrol release {held}"
    waits = slurm_project.json("status", "--job-id", later)["queue_diagnostics"]
    assert waits["pending_reason"] == "BeginTime"
    assert waits["eligible_at"]
    assert "not free" in slurm_project.json("debug", crowded)["headline"]
    jobs = {item["job_id"]: item["reason"] for item in slurm_project.json("jobs", "--state", "pending")["jobs"]}
    assert jobs == {held: "JobHeldUser", later: "BeginTime", crowded: "Resources"}
    for job in (held, later, crowded, running):
        slurm_project.hpcc("cancel", "--job-id", job, code=None)


def _reason(project: Project, job: str) -> str:
    return str(project.json("status", "--job-id", job)["reason"])
