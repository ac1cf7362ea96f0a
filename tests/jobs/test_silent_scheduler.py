"""A controller or an accounting that falls silent while somebody watches: no end is made up, and nothing is started anew."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm

HELD = """
    name: held
    runtime: {backend: host}
    x-slurm: {submit_args: [--hold]}
    services: {work: {command: echo done}}
"""
SILENCE_S = 12.0
"""Long enough for two questions; that a minute changes nothing else was tried by hand."""


@pytest.fixture
def slurm_project(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """An empty project folder on the cluster with accounting."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


def test_a_job_is_followed_through_a_silence_of_the_controller(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """`up` says that nobody answers, goes on, and sees the end that comes after it."""
    slurm_project.write(HELD)
    client = slurm_project.start("up", "--format", "json", "--verbose")
    slurm_project.wait(lambda: list(slurm_project.folder.glob(".hpc-compose/jobs/*.json")), "the job is submitted")
    job = next(slurm_project.folder.glob(".hpc-compose/jobs/*.json")).stem
    slurm_bench.wait_for_state(job, "PENDING")
    slurm_bench.stop_controller()  # one that is killed may forget the job itself
    try:
        time.sleep(SILENCE_S)
        assert client.poll() is None, client.communicate()
    finally:
        slurm_bench.start_controller()
    slurm_bench.run(["scontrol", "release", job], check=True)
    stdout, stderr = client.communicate(timeout=120)
    report = json.loads(stdout)
    assert (client.returncode, report["job_id"], report["state"]) == (0, job, "COMPLETED"), stderr
    told = [line for line in stderr.splitlines() if line.startswith("scheduler state: ")]
    assert any("UNREACHABLE" in line for line in told)
    assert not any(word in line for line in told for word in ("LOST", "FAILED", "UNKNOWN"))
    assert "scheduler: " in stderr.splitlines()[-1]


def test_a_job_that_left_the_queue_has_no_end_while_the_accounting_is_silent(
    slurm_project: Project, slurm_bench: SlurmBench
) -> None:
    """And the right one when it answers again."""
    slurm_project.write(HELD)
    job = slurm_project.submit()
    slurm_bench.wait_for_state(job, "PENDING")
    slurm_bench.run(["scancel", job], check=True)

    def accounted() -> bool:
        return "CANCELLED" in slurm_bench.run(["sacct", "-X", "-n", "-P", "-j", job, "-o", "State"]).stdout

    slurm_bench.wait_for(accounted, what="the accounting knows it")
    slurm_bench.reset_job_ids(int(job) + 1)  # the controller forgets the job
    slurm_bench.stop_database()
    try:
        report = slurm_project.json("status")
        assert (report["state"], report["terminal"]) == ("UNKNOWN", False)
        assert "the accounting does not answer" in report["detail"]
    finally:
        slurm_bench.start_database()
    slurm_project.wait(lambda: slurm_project.json("status", code=None)["terminal"], "the accounting answers")
    report = slurm_project.json("status", code=1)
    assert (report["state"], report["source"]) == ("CANCELLED", "sacct")
