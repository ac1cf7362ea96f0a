"""The live view over a real Slurm: why a job waits, and what becomes of it when it is put back into the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.jobs.terminal import TMUX, WHY_NOT, Terminal
from tests.slurm.bench import SlurmBench

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(TMUX is None, reason=WHY_NOT)]


def test_the_view_says_why_a_job_waits_and_follows_it_into_its_next_attempt(
    slurm_bench: SlurmBench, shared_tmp: Path
) -> None:
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    project.write("""
        name: waiting
        runtime: {backend: host}
        x-slurm: {time: "00:10:00", requeue: true, submit_args: ["--hold"]}
        services:
          app:
            script: |
              while true; do echo "attempt $HPC_COMPOSE_ATTEMPT"; sleep 0.2; done
    """)
    job = project.submit()
    with Terminal(project) as terminal:
        terminal.hpcc("watch")
        terminal.wait("waits: JobHeldUser")
        project.run_program(["scontrol", "release", job])
        terminal.wait(lambda screen: "1 service: 1 running" in screen and "│attempt 0" in screen, timeout=60)
        project.run_program(["scontrol", "requeue", job])
        terminal.wait("waits:", timeout=60)
        project.run_program(["scontrol", "release", job])
        project.run_program(["scontrol", "update", f"jobid={job}", "starttime=now"])
        terminal.wait(lambda screen: "│attempt 1" in screen and "attempt 1 " in screen.splitlines()[0], timeout=120)
        project.hpcc("cancel", "--job-id", job, code=None)
        terminal.wait(lambda screen: "the job is over" in screen and "CANCELLED" in screen, timeout=60)
        terminal.press("d")
        assert f"hpcc debug --job-id {job}" in terminal.wait("status=1")
