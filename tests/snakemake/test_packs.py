"""Short jobs that share tasks: what the scheduler is asked for, and that one job's failure is no other's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from snakemake_executor_plugin_hpccompose.compose_job import JobOptions, compose_job
from snakemake_executor_plugin_hpccompose.packs import ask_for_pack, pack_of_tasks, pack_request, tasks_of
from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

PACKED = """
rule all:
    input: expand("out/{i}.txt", i=range(7)), "joined.txt"
rule short:
    output: "out/{i}.txt"
    threads: 1
    resources: mem_mb=lambda wildcards, attempt: 60, runtime=2
    retries: 1
    shell: "[ {wildcards.i} != 3 ] || [ -e second ] || {{ touch second; echo not yet; exit 1; }}; echo $SLURM_JOB_ID > {output}"
rule join:
    input: expand("out/{i}.txt", i=range(7))
    output: "joined.txt"
    shell: "cat {input} > {output}"
"""


def job(number: int, **resources: int | str) -> ReadyJob:
    """One of many, two threads each."""
    facts = RuleFacts(
        name="short", rules=("short",), key=str(number), threads=2, resources={"mem_mb": 100, "runtime": 5, **resources}
    )
    path = Path("/nowhere")
    return ReadyJob(
        job=None,
        facts=facts,
        argv=(),
        log=path,
        result=path,
        ready_at=0,
        compose=compose_job(facts, JobOptions(workdir=path.parent)),
    )


def test_the_setting_packs_rules_that_say_nothing() -> None:
    """Ten jobs in packs of four are three tasks."""
    tasks = tasks_of([job(number) for number in range(10)], setting=4)
    assert [len(task) for task in tasks] == [4, 3, 3]


@pytest.mark.parametrize(("own", "sizes"), [(1, [1, 1, 1]), (3, [3])])
def test_a_rule_knows_better_than_the_setting(own: int, sizes: list[int]) -> None:
    """Also when it wants no pack at all."""
    assert [len(task) for task in tasks_of([job(number, pack=own) for number in range(3)], setting=2)] == sizes


def test_a_task_asks_for_its_rounds() -> None:
    """Two CPUs hold one job of two threads at a time, so four take four times as long and no more memory."""
    [task] = tasks_of([job(number) for number in range(4)], setting=4)
    assert task[0].compose is not None
    slurm = dict(task[0].compose.spec["x-slurm"])
    ask_for_pack(slurm, pack_request(task[0], setting=1), pack_of_tasks([task]))
    assert (slurm["mem"], slurm["time"], slurm["cpus_per_task"]) == ("100M", "00:20:00", 2)


def test_a_task_with_room_for_several_asks_for_their_memory() -> None:
    """What sidecars add to the memory of one job is asked for once."""
    one = pack_request(job(1), setting=4)
    from dataclasses import replace

    from snakemake_executor_plugin_hpccompose.packing import pack_of

    slurm = {"mem": "1100M", "time": "00:05:00"}
    wide = replace(one, cpus=8)
    ask_for_pack(slurm, wide, pack_of(wide))
    assert slurm == {"mem": "1400M", "time": "00:05:00"}


def test_members_of_packs_fail_and_are_repeated_by_themselves(slurm_workflow: Workflow) -> None:
    """Seven jobs are one array of two tasks; the one that failed is repeated alone, and the report counts all attempts."""
    workflow = slurm_workflow
    workflow.write(PACKED)
    run = workflow.run("--jobs", "20", "--hpccompose-pack", "4", "--hpccompose-efficiency-report", timeout=280)
    assert run.returncode == 0, run.stdout
    assert workflow.submissions == 3
    assert len(set(workflow.text("joined.txt").split())) == 3
    specs = [
        json.loads(path.read_text())
        for path in sorted((workflow.folder / ".snakemake/hpccompose").glob("*/units/*/compose.yaml"))
    ]
    assert [spec["x-slurm"].get("time") for spec in specs][:2] == ["00:08:00", "00:02:00"]
    [report] = (workflow.folder / ".snakemake/hpccompose").glob("*/report.csv")
    rows = {row["rule"]: row for row in csv.DictReader(report.read_text().splitlines())}
    assert (rows["short"]["jobs"], rows["short"]["attempts"], rows["short"]["failed_attempts"]) == ("7", "8", "1")
    assert "What the rules used:" in run.stdout
    assert float(rows["join"]["memory_peak_mb"]) > 10


def test_what_rules_needed_is_left_as_a_profile(local_workflow: Workflow) -> None:
    """Without the table, and only where it differs from what was asked."""
    local_workflow.write('rule one:\n    output: "one.txt"\n    resources: runtime=100\n    shell: "touch {output}"\n')
    run = local_workflow.run("--jobs", "1", "one.txt")
    assert run.returncode == 0, run.stdout
    fragment = yaml.safe_load(local_workflow.text(".snakemake/hpccompose/rightsize.yaml"))
    assert fragment == {"set-resources": {"one": {"runtime": 2}}}
    assert "What the rules used:" not in run.stdout
