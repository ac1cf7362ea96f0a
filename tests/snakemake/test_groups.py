"""Jobs that Snakemake groups are one job of the cluster, and run side by side in it as far as the graph allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

STEPS = """
SAMPLES = ["s1", "s2", "s3", "s4"]
rule all:
    input: "joined.txt", expand("last/{i}.txt", i=SAMPLES)
rule first:
    output: temp("first/{i}.txt")
    group: "steps"
    resources: mem_mb=40, runtime=2
    shell: "echo $SLURM_JOB_ID > {output}"
rule second:
    input: "first/{i}.txt"
    output: "second/{i}.txt"
    group: "steps"
    resources: mem_mb=60, runtime=3
    shell: "cat {input} > {output}; echo $SLURM_JOB_ID >> {output}"
rule last:
    input: "second/{i}.txt"
    output: "last/{i}.txt"
    resources: mem_mb=50, runtime=1
    shell: "cp {input} {output}"
rule pieces:
    output: "piece/{n}.txt"
    group: "wide"
    resources: mem_mb=30, runtime=1
    shell: "date +%s.%N > {output}; sleep 3; date +%s.%N >> {output}"
rule join:
    input: expand("piece/{n}.txt", n=range(4))
    output: "joined.txt"
    group: "wide"
    resources: mem_mb=30, runtime=1
    run:
        with open(output[0], "w") as file:
            file.write("".join(open(path).read() for path in input))
"""
FAILING = """
rule all:
    input: "b.txt", "alone.txt"
rule a:
    output: "a.txt"
    group: "chain"
    shell: "touch {output}"
rule b:
    input: "a.txt"
    output: "b.txt"
    group: "chain"
    shell: "echo why it fails; exit 4"
rule alone:
    output: "alone.txt"
    shell: "touch {output}"
"""


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    """Four components of a group of two steps, two of them together in a job; and one group of five with three levels of graph."""
    workflow = Workflow(tmp_path_factory.mktemp("groups") / "work", "local")
    workflow.write(STEPS)
    run = workflow.run("--jobs", "20", "--group-components", "steps=2", timeout=200)
    assert run.returncode == 0, run.stdout
    yield workflow
    workflow.end()


def specs(workflow: Workflow, rule: str) -> list[dict[str, Any]]:
    """What was asked of the scheduler for the jobs with this rule."""
    folders = (workflow.folder / ".snakemake/hpccompose").glob("*/units/*")
    found = []
    for folder in folders:
        members = [
            member for task in folder.glob("*.json") for member in json.loads(task.read_text()).get("members", [])
        ]
        if any(rule in member["argv"] for member in members):
            found.append(json.loads((folder / "compose.yaml").read_text()))
    return found


def test_members_of_a_component_share_a_job(grouped: Workflow) -> None:
    """And two components do where that is asked for."""
    jobs = [grouped.text(f"last/s{number}.txt").split() for number in (1, 2, 3, 4)]
    assert all(first == second for first, second in jobs)
    assert len({first for first, _ in jobs}) == 2


def test_temporary_files_within_a_group_are_removed(grouped: Workflow) -> None:
    """No job outside ever needed them."""
    assert not any(grouped.exists(f"first/s{number}.txt") for number in (1, 2, 3, 4))


def test_a_group_asks_for_what_runs_side_by_side(grouped: Workflow) -> None:
    """Two components: memory of the two at a time, time of the two steps in a row; arrays of the same shape are one submission."""
    [spec] = specs(grouped, "second")
    assert spec["x-slurm"]["cpus_per_task"] == 2
    assert (spec["x-slurm"]["mem"], spec["x-slurm"]["time"]) == ("120M", "00:05:00")
    assert spec["x-slurm"]["array"].startswith("0-1")


def test_members_without_order_run_at_the_same_time(grouped: Workflow) -> None:
    """One after the other they would take twelve seconds."""
    times = [float(line) for line in grouped.text("joined.txt").split()]
    starts, ends = times[0::2], times[1::2]
    assert len(starts) == 4
    assert max(starts) < min(ends)


def test_a_group_that_fails_tells_of_its_member(local_workflow: Workflow) -> None:
    """What the group made is removed, and a job outside is not touched."""
    local_workflow.write(FAILING)
    run = local_workflow.run("--jobs", "5", "--keep-going")
    assert run.returncode == 1
    assert local_workflow.exists("alone.txt")
    assert not local_workflow.exists("b.txt")
    assert "why it fails" in run.stdout
    assert "Error in group" in run.stdout


def test_a_group_that_fails_is_repeated_as_a_whole(local_workflow: Workflow) -> None:
    """With what its next attempt asks for."""
    local_workflow.write("""
        rule a:
            output: "a.txt"
            group: "chain"
            resources: mem_mb=lambda wildcards, attempt: 50 * attempt
            shell: "touch {output}"
        rule b:
            input: "a.txt"
            output: "b.txt"
            group: "chain"
            resources: mem_mb=lambda wildcards, attempt: 50 * attempt
            shell: "[ {resources.mem_mb} -gt 50 ] && touch {output}"
        """)
    run = local_workflow.run("--jobs", "2", "--retries", "1", "b.txt")
    assert run.returncode == 0, run.stdout
    assert sorted(spec["x-slurm"]["mem"] for spec in specs(local_workflow, "b")) == ["100M", "50M"]
