"""Ends that a scheduler brings about: put back into the queue, out of time."""

from __future__ import annotations

import pytest

from tests.slurm.bench import SlurmBench
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters


def test_a_job_that_is_put_back_into_the_queue_is_waited_for(slurm_workflow: Workflow, slurm_bench: SlurmBench) -> None:
    """What its first start left behind is no end; what it had done by then is not done again."""
    slurm_workflow.write("""
        rule all:
            input: "one.txt", "two.txt"
        rule first:
            output: "one.txt"
            resources: runtime=5
            shell: "echo ${{SLURM_RESTART_COUNT:-0}} > {output}; echo x >> starts"
        rule second:
            output: "two.txt"
            resources: runtime=5
            shell: "[ ${{SLURM_RESTART_COUNT:-0}} -gt 0 ] || {{ touch begun; sleep 200; }}; echo $SLURM_RESTART_COUNT > {output}"
        """)
    process = slurm_workflow.start(
        "--jobs", "5", "--hpccompose-pack", "2", "--hpccompose-requeue", "--hpccompose-poll-seconds", "2"
    )
    slurm_workflow.until(lambda: slurm_workflow.exists("begun", "one.txt"), what="the start of the second member")
    [record] = _records(slurm_workflow)
    slurm_bench.run(["scontrol", "requeue", record], check=True)
    assert process.wait(150) == 0, slurm_workflow.said()
    assert slurm_workflow.text("two.txt") == "1\n"
    assert slurm_workflow.text("one.txt") == "0\n"
    assert slurm_workflow.text("starts") == "x\n"
    assert slurm_workflow.submissions == 1


@pytest.mark.faults
def test_a_job_out_of_time_says_so(workflow: Workflow) -> None:
    """With the limit that it had, and what to change."""
    workflow.write("""
        rule slow:
            output: "slow.txt"
            resources: runtime=1
            shell: "sleep 600"
        """)
    run = workflow.run("--jobs", "1", "--hpccompose-poll-seconds", "5", "slow.txt", timeout=280)
    assert run.returncode == 1
    assert "TIMEOUT" in run.stdout, run.stdout
    assert "runtime" in run.stdout


def _records(workflow: Workflow) -> list[str]:
    from compose_core import tracked_jobs

    return [record.job_id for record in tracked_jobs(workflow.folder).records]
