"""kill -9 of Snakemake with real jobs, and the run after it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.slurm.bench import SlurmBench
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

TWO = """
rule all:
    input: expand("o{i}.txt", i=range(2))
rule one:
    output: "o{i}.txt"
    shell: "echo $SLURM_JOB_ID >> begun{wildcards.i}; while ! test -e go; do sleep 0.2; done; cp begun{wildcards.i} {output}"
"""
AGAIN = ("--jobs", "5", "--rerun-incomplete")


def test_jobs_that_run_are_taken_on(workflow: Workflow) -> None:
    """Each ran once, in the job of the first run."""
    workflow.write(TWO)
    process = workflow.start("--jobs", "5")
    workflow.until(lambda: workflow.exists("begun0", "begun1"), what="the start of the jobs")
    workflow.kill(process)
    again = workflow.start(*AGAIN)
    workflow.until(lambda: workflow.said().count("taken on") == 2, what="taking on two jobs")
    workflow.write("", "go")
    assert again.wait(120) == 0, workflow.said()
    assert [len(workflow.text(f"o{i}.txt").splitlines()) for i in range(2)] == [1, 1]
    assert workflow.submissions == 1


def test_a_changed_rule_runs_anew_after_its_old_job_ended(local_workflow: Workflow) -> None:
    """The old one is ended first, and its successor has the new command."""
    local_workflow.write(TWO.replace("range(2)", "range(1)"))
    process = local_workflow.start("--jobs", "5")
    local_workflow.until(lambda: local_workflow.exists("begun0"), what="the start of the job")
    local_workflow.kill(process)
    local_workflow.write(TWO.replace("range(2)", "range(1)").replace("cp begun", "test -e go && cp begun"))
    again = local_workflow.start(*AGAIN)
    local_workflow.until(lambda: "is ended first" in local_workflow.said(), what="the end of the old job")
    local_workflow.until(lambda: len(local_workflow.text("begun0").splitlines()) == 2, what="the start of the new job")
    local_workflow.write("", "go")
    assert again.wait(120) == 0, local_workflow.said()
    assert local_workflow.submissions == 2


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.faults), "after"])
def test_killed_around_sbatch(slurm_workflow: Workflow, slurm_bench: SlurmBench, when: str) -> None:
    """Whether or not Slurm has the job, the next run has it once."""
    real = shutil.which("sbatch", path=slurm_workflow.environment["PATH"])
    submit = f'{real} "$@" > answer; ' if when == "after" else ""
    killer = slurm_workflow.write(f"#!/bin/bash\n{submit}kill -9 $PPID\n", "bin/sbatch")
    killer.chmod(0o755)
    slurm_workflow.write(TWO)
    path = slurm_workflow.environment["PATH"]
    process = slurm_workflow.start("--jobs", "5", PATH=f"{killer.parent}:{path}")
    assert process.wait(60) == -9
    assert slurm_workflow.run("--unlock").returncode == 0
    again = slurm_workflow.start(*AGAIN)
    if when == "after":
        slurm_workflow.until(lambda: slurm_workflow.said().count("taken on") == 2, what="taking on two jobs")
    slurm_workflow.write("", "go")
    assert again.wait(120) == 0, slurm_workflow.said()
    assert [len(slurm_workflow.text(f"o{i}.txt").splitlines()) for i in range(2)] == [1, 1]
    assert slurm_workflow.submissions == 1


@pytest.mark.faults
def test_jobs_that_wait_in_the_queue_are_taken_on(slurm_workflow: Workflow, slurm_bench: SlurmBench) -> None:
    """They have no result and no files of their own yet."""
    blocker = slurm_bench.submit("sleep 300", "--nodes=4", "--exclusive")
    slurm_workflow.write(TWO)
    slurm_workflow.write("", "go")
    process = slurm_workflow.start("--jobs", "5")
    slurm_workflow.until(lambda: slurm_workflow.submissions, what="the submission")
    slurm_workflow.kill(process)
    again = slurm_workflow.start(*AGAIN)
    slurm_workflow.until(lambda: slurm_workflow.said().count("taken on") == 2, what="taking on two jobs")
    slurm_bench.run(["scancel", blocker])
    assert again.wait(120) == 0, slurm_workflow.said()
    assert slurm_workflow.submissions == 1


@pytest.mark.faults
@pytest.mark.parametrize("torn", [False, True], ids=["unseen", "mid-result"])
def test_jobs_that_ended_meanwhile_do_not_run_again(workflow: Workflow, torn: bool) -> None:
    """Nobody saw their ends; half a result is none."""
    workflow.write(TWO)
    process = workflow.start("--jobs", "5")
    workflow.until(lambda: workflow.exists("begun0", "begun1"), what="the start of the jobs")
    workflow.kill(process)
    workflow.write("", "go")
    results = workflow.folder / ".snakemake/hpccompose"
    workflow.until(lambda: len(list(results.glob("*/results/*.json"))) == 2, what="the results")
    if torn:
        one = next(iter(results.glob("*/results/*.json")))
        one.rename(one.with_name(f".tmp-1-{one.name}"))
    run = workflow.run(*AGAIN)
    assert run.returncode == 0, run.stdout
    assert [len(workflow.text(f"o{i}.txt").splitlines()) for i in range(2)] == [1, 1]


@pytest.mark.faults
def test_a_controller_that_is_down_for_two_minutes(slurm_workflow: Workflow, slurm_bench: SlurmBench) -> None:
    """Jobs that run end well, and those that became ready meanwhile are submitted when it is back."""
    slurm_workflow.write(
        TWO + 'rule last:\n    input: "o0.txt"\n    output: "last.txt"\n    shell: "cp {input} {output}"\n'
    )
    process = slurm_workflow.start("--jobs", "5", "--hpccompose-poll-seconds", "5", "last.txt", "o1.txt")
    slurm_workflow.until(lambda: slurm_workflow.exists("begun0", "begun1"), what="the start of the jobs")
    slurm_bench.stop_controller()
    down_since = time.monotonic()
    try:
        slurm_workflow.write("", "go")
        slurm_workflow.until(lambda: slurm_workflow.exists("o0.txt", "o1.txt"), what="the end of the jobs")
        slurm_workflow.until(lambda: "does not answer" in slurm_workflow.said(), seconds=120, what="the warning")
        time.sleep(max(0.0, down_since + 120 - time.monotonic()))
    finally:
        slurm_bench.start_controller()
    assert process.wait(280) == 0, slurm_workflow.said()
    assert slurm_workflow.exists("last.txt")


def test_without_accounting(
    slurm_bench_without_accounting: SlurmBench, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Results are files, so nobody needs it."""
    import tempfile

    bench = slurm_bench_without_accounting
    workflow = Workflow(Path(tempfile.mkdtemp(dir=bench.shared_dir)) / "work", "slurm", bench.environment)
    request.addfinalizer(workflow.end)
    workflow.write(TWO)
    workflow.write("", "go")
    run = workflow.run("--jobs", "5")
    assert run.returncode == 0, run.stdout
