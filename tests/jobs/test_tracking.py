"""What the other commands see of a job while it runs and after."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.jobs.project import Project, processes_with

LONG = """
    name: long
    runtime: {backend: host}
    x-slurm:
      stop_grace_seconds: 3
      artifacts: {export_dir: ./results, paths: [/hpc-compose/job/out/*]}
    services:
      patient:
        script: |
          mkdir -p "$HPC_COMPOSE_JOB_DIR/out"
          trap 'echo told to stop; echo saved > "$HPC_COMPOSE_JOB_DIR/out/checkpoint"; exit 0' TERM
          echo working
          while :; do sleep 0.2; done
      stubborn:
        script: |
          trap '' TERM
          while :; do sleep 0.2; done
"""


def test_cancel_tells_the_services_keeps_the_evidence_and_leaves_nothing_running(project: Project) -> None:
    """TERM first, KILL for the one that does not listen; artifacts and the final state are written."""
    project.write(LONG)
    job = project.submit()
    project.wait(lambda: "working" in project.log(job, "patient"), "the service works")
    token = project.state(job)["submission_token"]
    cancelled = project.json("cancel", "--job-id", job)
    assert (cancelled["requested"], cancelled["confirmed"]) == (True, True)
    project.wait(lambda: project.state(job).get("job_status") == "CANCELLED", "the final state is written")
    project.wait((project.job_dir(job) / "artifacts/manifest.json").exists, "the manifest is written")
    assert "told to stop" in project.log(job, "patient")
    assert (project.job_dir(job) / "artifacts/payload/out/checkpoint").read_text() == "saved\n"
    assert project.json("status", "--job-id", job, code=None)["state"] == "CANCELLED"
    project.wait(lambda: not processes_with(f"HPC_COMPOSE_SUBMISSION_TOKEN={token}"), "nothing is left running", 20)


def test_a_job_outlives_the_client_that_started_it(project: Project) -> None:
    """Killed, not asked."""
    project.write("""
        runtime: {backend: host}
        services:
          work: {command: 'echo begin; sleep 2; echo end'}
    """)
    client = project.start("up")
    project.wait(lambda: list(project.folder.glob(".hpc-compose/*/logs/work.log")), "the job runs")
    client.send_signal(signal.SIGKILL)
    client.communicate()
    job = project.json("jobs")["jobs"][0]["job_id"]
    project.wait(lambda: project.state(job).get("job_status") == "COMPLETED", "the job ends by itself")
    assert project.log(job, "work") == "begin\nend\n"
    assert project.json("status", "--job-id", job)["state"] == "COMPLETED"


def test_status_ps_and_jobs_agree_about_a_running_job(project: Project) -> None:
    """One vocabulary."""
    project.write(LONG)
    job = project.submit()
    project.wait(lambda: project.service(job, "patient").get("status") == "running", "the service runs")
    assert project.json("status", code=None)["state"] == "RUNNING"
    services = {item["service_name"]: item for item in project.json("ps", code=None)["services"]}
    assert services["patient"]["status"] == "running"
    assert [(item["job_id"], item["state"]) for item in project.json("jobs")["jobs"]] == [(job, "RUNNING")]
    assert "patient" in project.hpcc("ps", code=None).stdout
    assert "RUNNING" in project.hpcc("status", code=None).stdout
    project.hpcc("cancel")


def test_logs_follows_to_the_end_of_the_job(project: Project) -> None:
    """Nothing of the output is missing."""
    project.write("""
        runtime: {backend: host}
        services:
          count: {command: 'for i in 1 2 3 4 5; do echo "line $i"; sleep 0.3; done'}
    """)
    project.submit()
    followed = project.hpcc("logs", "--follow").stdout
    assert [f"line {i}" in followed for i in range(1, 6)] == [True] * 5
    assert project.hpcc("logs", "--lines", "2").stdout.count("line") == 2


def test_the_same_run_key_attaches_to_the_job(project: Project) -> None:
    """An orchestrator that retries gets no second job."""
    project.write("""
        runtime: {backend: host}
        services:
          work: {command: 'echo ran >> "$HPC_COMPOSE_JOB_DIR/../runs"; sleep 1'}
    """)
    first = project.submit("--run-key", "task 1")
    second = project.json("submit", "--run-key", "task 1")
    assert (second["job_id"], second["attached"]) == (first, True)
    assert project.up("--run-key", "task 1")["job_id"] == first
    assert (project.folder / ".hpc-compose/runs").read_text() == "ran\n"


def test_many_jobs_run_side_by_side(project: Project) -> None:
    """Each with its own folder, state and logs."""
    project.write("""
        runtime: {backend: host}
        services:
          work: {command: 'sleep 1; echo "$HPC_COMPOSE_JOB_ID"'}
    """)
    jobs = [project.submit() for _ in range(5)]
    assert len(set(jobs)) == 5
    project.wait(lambda: all(project.state(job).get("job_status") == "COMPLETED" for job in jobs), "all complete")
    for job in jobs:
        assert project.log(job, "work") == f"{job}\n"
    assert len(project.json("jobs", "--all")["jobs"]) == 5


def test_a_dry_run_writes_the_script_and_submits_nothing(project: Project) -> None:
    """`--script-out` says where."""
    project.write("""
        runtime: {backend: host}
        services:
          work: {command: 'touch ran'}
    """)
    report = project.up("--dry-run", "--script-out", "job.sbatch")
    assert report["submitted"] is False
    assert (project.folder / "job.sbatch").read_text().startswith("#!/bin/bash\n")
    assert project.json("jobs")["jobs"] == []


def test_a_wrong_file_costs_nothing(project: Project) -> None:
    """Exit 2, file, line and remedy, nothing written."""
    project.write("""
        runtime: {backend: host}
        services:
          work: {comand: 'true'}
    """)
    done = project.hpcc("up", code=2)
    assert "compose.yaml:4:" in done.stderr
    assert "command" in done.stderr
    assert not (project.folder / ".hpc-compose").exists()


def test_a_killed_supervisor_leaves_a_failed_job_and_no_running_service(tmp_path: Path) -> None:
    """Nobody could write the end down, so it is read off the processes."""
    project = Project(tmp_path / "project", "local")
    project.write("runtime: {backend: host}\nservices: {work: {command: sleep 300}}\n")
    job = project.submit()
    project.wait(lambda: project.service(job, "work").get("status") == "running", "the service runs")
    state = project.state(job)
    os.kill(state["supervisor_pid"], signal.SIGKILL)
    project.wait(lambda: project.json("status", code=None)["terminal"], "the end is noticed")
    report = project.json("status", code=1)
    assert report["state"] == "FAILED"
    assert [(item["status"], item["alive"]) for item in report["services"]] == [("unknown", False)]
    marker = f"HPC_COMPOSE_SUBMISSION_TOKEN={state['submission_token']}"
    project.wait(lambda: not processes_with(marker), "nothing is left running", 20)
