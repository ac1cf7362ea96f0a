"""Whole workflows, on this machine and on a real Slurm cluster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.slurm.bench import SlurmBench
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

CHAIN = """
rule all:
    input: "c.txt", expand("f{i}.txt", i=range(3))
rule a:
    output: "a.txt"
    shell: "echo a > {output}"
rule b:
    input: "a.txt"
    output: "b.txt"
    log: "logs/b.log"
    shell: "(cat {input}; echo b) > {output} 2> {log}"
rule c:
    input: "b.txt"
    output: "c.txt"
    run:
        with open(output[0], "w") as file:
            file.write(open(input[0]).read() + "c\\n")
rule fan:
    input: "a.txt"
    output: "f{i}.txt"
    threads: 1
    resources: mem_mb=100, runtime=5
    shell: "echo {wildcards.i} $SLURM_JOB_NAME > {output}"
"""


def test_a_chain_and_a_fan(workflow: Workflow) -> None:
    """Jobs that are ready together and ask for the same are one array."""
    workflow.write(CHAIN)
    run = workflow.run("--jobs", "20")
    assert run.returncode == 0, run.stdout
    assert workflow.text("c.txt") == "a\nb\nc\n"
    assert [workflow.text(f"f{i}.txt").split()[0] for i in range(3)] == ["0", "1", "2"]
    assert workflow.text("f0.txt").split()[1].startswith("smk-")
    assert workflow.text("f0.txt").split()[1].endswith("-fan")
    assert 3 <= workflow.submissions <= 5


def test_a_failing_rule_is_told_and_does_not_stop_others(local_workflow: Workflow) -> None:
    """Its message says how it ended and shows the end of its log."""
    local_workflow.write("""
        rule all:
            input: "good.txt", "bad.txt"
        rule good:
            output: "good.txt"
            shell: "touch {output}"
        rule bad:
            output: "bad.txt"
            shell: "echo a sentence of the rule; exit 7"
        """)
    run = local_workflow.run("--jobs", "5", "--keep-going")
    assert run.returncode == 1
    assert local_workflow.exists("good.txt")
    assert "FAILED: job" in run.stdout
    assert "a sentence of the rule" in run.stdout


def test_retries_scale_their_requests(local_workflow: Workflow) -> None:
    """Each attempt is submitted with what it asks for then."""
    local_workflow.write("""
        rule once:
            output: "out.txt"
            retries: 2
            resources: mem_mb=lambda wildcards, attempt: 100 * attempt
            shell: "test {resources.mem_mb} -ge 200 && echo {resources.mem_mb} > {output}"
        """)
    run = local_workflow.run("--jobs", "2", "out.txt")
    assert run.returncode == 0, run.stdout
    assert local_workflow.text("out.txt") == "200\n"
    assert local_workflow.submissions == 2


def test_a_local_rule_runs_here_and_a_checkpoint_is_followed(local_workflow: Workflow) -> None:
    """What Snakemake decides by itself stays its own."""
    local_workflow.write("""
        localrules: all
        def parts(wildcards):
            folder = checkpoints.split.get().output[0]
            return expand("done/{n}", n=glob_wildcards(folder + "/{n}.part").n)
        rule all:
            input: parts
        checkpoint split:
            output: directory("parts")
            shell: "mkdir {output}; touch {output}/1.part {output}/2.part"
        rule each:
            input: "parts/{n}.part"
            output: "done/{n}"
            shell: "touch {output}"
        """)
    run = local_workflow.run("--jobs", "4")
    assert run.returncode == 0, run.stdout
    assert local_workflow.exists("done/1", "done/2")


def test_retries_checkpoints_and_pipes_on_a_cluster(slurm_workflow: Workflow) -> None:
    """Every attempt asks Slurm for its own memory, a checkpoint decides what follows, both ends of a pipe are one job."""
    slurm_workflow.write("""
        def parts(wildcards):
            folder = checkpoints.split.get().output[0]
            return expand("done/{n}", n=glob_wildcards(folder + "/{n}.part").n)
        rule all:
            input: "scaled.txt", parts, "piped.txt"
        rule scaled:
            output: "scaled.txt"
            retries: 2
            resources: mem_mb=lambda wildcards, attempt: 100 * attempt, runtime=2
            shell: "scontrol show job $SLURM_JOB_ID | grep -o 'mem=[0-9]*M' | head -1 >> asked; "
                   "test {resources.mem_mb} -ge 200 && cp asked {output}"
        checkpoint split:
            output: directory("parts")
            resources: mem_mb=50, runtime=2
            shell: "mkdir {output}; touch {output}/1.part {output}/2.part"
        rule each:
            input: "parts/{n}.part"
            output: "done/{n}"
            resources: mem_mb=50, runtime=2
            shell: "touch {output}"
        rule writes:
            output: pipe("through")
            resources: mem_mb=50, runtime=2
            shell: "echo text > {output}"
        rule reads:
            input: "through"
            output: "piped.txt"
            resources: mem_mb=50, runtime=2
            shell: "cat {input} > {output}"
        """)
    run = slurm_workflow.run("--jobs", "10", timeout=280)
    assert run.returncode == 0, run.stdout
    assert slurm_workflow.text("scaled.txt").split() == ["mem=100M", "mem=200M"]
    assert slurm_workflow.exists("done/1", "done/2")
    assert slurm_workflow.text("piped.txt") == "text\n"


def test_a_local_job_that_somebody_cancels_fails(local_workflow: Workflow) -> None:
    """As with `hpcc cancel` in the workflow's folder."""
    from compose_core import cancel, tracked_jobs

    local_workflow.write('rule long:\n    output: "long.txt"\n    shell: "touch begun; sleep 120"\n')
    process = local_workflow.start("--jobs", "2", "--hpccompose-poll-seconds", "2", "long.txt")
    local_workflow.until(lambda: local_workflow.exists("begun"), what="the start of the job", seconds=120)
    [record] = tracked_jobs(local_workflow.folder).records
    cancel(local_workflow.site, record)
    assert process.wait(120) == 1
    assert "CANCELLED: job" in local_workflow.said()


def test_an_interrupted_workflow_cancels_its_jobs(workflow: Workflow) -> None:
    """Ctrl-C leaves nothing behind."""
    workflow.write('rule long:\n    output: "long.txt"\n    shell: "touch begun; sleep 120; touch {output}"\n')
    process = workflow.start("--jobs", "2", "long.txt")
    workflow.until(lambda: workflow.exists("begun"), what="the start of the job")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    site = workflow.site
    from compose_core import observe, tracked_jobs

    records = tracked_jobs(workflow.folder).records
    workflow.until(lambda: all(one.terminal for one in observe(site, list(records))), what="the end of the job")
    assert not workflow.exists("long.txt")


def test_a_job_that_somebody_cancels_fails(slurm_workflow: Workflow, slurm_bench: SlurmBench) -> None:
    """`CANCELLED by 0` is an end."""
    slurm_workflow.write('rule long:\n    output: "long.txt"\n    shell: "touch begun; sleep 120"\n')
    process = slurm_workflow.start("--jobs", "2", "--hpccompose-poll-seconds", "2", "long.txt")
    slurm_workflow.until(lambda: slurm_workflow.exists("begun"), what="the start of the job")
    slurm_bench.cancel_all_jobs()
    assert process.wait(60) == 1
    assert "CANCELLED: job" in slurm_workflow.said()


def test_a_waiting_job_that_somebody_cancels_fails(slurm_workflow: Workflow, slurm_bench: SlurmBench) -> None:
    """It never ran, so only Slurm can tell."""
    slurm_bench.submit("#!/bin/sh\nsleep 300\n", "--nodes=4", "--exclusive")
    slurm_workflow.write('rule one:\n    output: "one.txt"\n    shell: "touch {output}"\n')
    process = slurm_workflow.start("--jobs", "2", "--hpccompose-poll-seconds", "2", "one.txt")
    slurm_workflow.until(lambda: slurm_workflow.submissions, what="the submission")
    slurm_bench.cancel_all_jobs()
    assert process.wait(60) == 1
    assert "CANCELLED: job" in slurm_workflow.said()
    assert not slurm_workflow.exists("one.txt")


def test_variables_that_a_workflow_declares_reach_its_jobs(local_workflow: Workflow) -> None:
    """Also those that look secret, whose values stand in no file."""
    local_workflow.write("""
        envvars: "MY_API_TOKEN", "PLAIN"
        rule one:
            output: "one.txt"
            shell: "printf '%s %s' $MY_API_TOKEN $PLAIN > {output}"
        """)
    run = local_workflow.run("--jobs", "1", "one.txt", MY_API_TOKEN="s3cr3t-value", PLAIN="plain-value")
    assert run.returncode == 0, run.stdout
    assert local_workflow.text("one.txt") == "s3cr3t-value plain-value"
    folders = [local_workflow.folder / ".snakemake", local_workflow.folder / ".hpc-compose"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"s3cr3t-value" in path.read_bytes()]


def test_snakemake_inside_of_a_job_tells_its_jobs_nothing_of_it(local_workflow: Workflow) -> None:
    """Its own allocation is not theirs."""
    local_workflow.write("""
        rule one:
            output: "one.txt"
            shell: "env > {output}"
        """)
    run = local_workflow.run(
        "--jobs",
        "1",
        "one.txt",
        SLURM_JOB_ID="4711",
        SLURM_CPUS_PER_TASK="64",
        SLURM_MEM_PER_NODE="1",
        SBATCH_PARTITION="outer",
    )
    assert run.returncode == 0, run.stdout
    found = dict(line.split("=", 1) for line in local_workflow.text("one.txt").splitlines() if "=" in line)
    assert found.get("SLURM_JOB_ID") != "4711"
    assert found.get("SLURM_CPUS_PER_TASK") != "64"
    assert not {"SLURM_MEM_PER_NODE", "SBATCH_PARTITION"} & found.keys()


def test_the_tools_see_the_jobs_of_a_workflow(local_workflow: Workflow) -> None:
    """`hpcc jobs` in the workflow's folder."""
    import subprocess

    local_workflow.write('rule one:\n    output: "one.txt"\n    shell: "touch {output}"\n')
    assert local_workflow.run("--jobs", "1", "one.txt").returncode == 0
    hpcc = Path(local_workflow.environment["PATH"].split(":")[0]) / "hpcc"
    shown = subprocess.run(
        [str(hpcc), "jobs", "--engine", "local"],
        cwd=local_workflow.folder,
        env=local_workflow.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "smk-" in shown
    assert "COMPLETED" in shown
