"""What no partition can run is an error of the rule before anything is submitted; what is not known is left to Slurm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compose_core import PartitionRow
from compose_core.testing import FakeCluster
from compose_core.testing.fake_cluster import Settings
from snakemake_executor_plugin_hpccompose.site_limits import why_nowhere
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.workflow import Workflow
from tests.snakemake.world import World, fan

pytestmark = pytest.mark.adapters


def row(partition: str = "batch", **more: Any) -> PartitionRow:
    """Four nodes with 8 CPUs, 16 GB and an hour."""
    usual: dict[str, Any] = {
        "is_default": partition == "batch",
        "is_up": True,
        "time_limit_s": 3600,
        "node_count": 4,
        "state": "idle",
        "cpus_per_node": 8,
        "memory_mib": 16000,
        "gres": "",
        "features": "",
    }
    return PartitionRow(partition=partition, **{**usual, **more})


ROWS = [
    row(),
    row("long", time_limit_s=None, node_count=1),
    row("gpu", gres="gpu:a100:4(S:0-1)", memory_mib=64000),
    row("gpu", gres="gpu:a100:2", cpus_per_node=64),
]


@pytest.mark.parametrize(
    ("slurm", "says"),
    [
        ({"time": "02:00:00", "partition": "batch"}, "batch: time 02:00:00 is more than its limit 01:00:00"),
        ({"mem": "100G"}, "gpu: mem 100G is more than any of its nodes has (64000M)"),
        ({"cpus_per_task": 9, "partition": "long"}, "long: cpus_per_task 9 is more than any of its nodes has (8)"),
        ({"cpus_per_task": 64, "mem": "32G"}, "gpu: no node has both 64 CPUs and mem 32G"),
        ({"nodes": 2, "partition": "long"}, "long: 2 nodes of that size are more than it has (1)"),
        ({"gres": "gpu:a100:5"}, "gpu: gres gpu:a100:5 is more than any of its nodes has (4)"),
        ({"gres": "gpu:h100:1"}, "gpu: gres gpu:h100:1 is more than any of its nodes has (0)"),
        ({"gpus": 1, "partition": "batch"}, "batch: gpus 1 is more than it has (0)"),
        ({"time": "02:00:00", "partition": "batch,gpu"}, "gpu: time"),
    ],
)
def test_what_no_partition_has_is_told_with_the_reason(slurm: dict[str, Any], says: str) -> None:
    """For each partition that the job could go to."""
    assert says in "\n".join(why_nowhere(slurm, ROWS))


@pytest.mark.parametrize(
    "slurm",
    [
        {"time": "02:00:00"},  # there is a long one, and the site may send it there
        {"time": "01:00:00", "mem": "16000M", "cpus_per_task": 8, "nodes": 4, "partition": "batch"},
        {"gres": "gpu:a100:4", "partition": "gpu"},
        {"gpus": 24},  # on several nodes
        {"time": "9-00:00:00", "partition": "hidden"},
        {"time": "02:00:00", "partition": "batch", "qos": "may-run-longer"},
        {"mem": "1T", "submit_args": ["--clusters=other"]},
        {"time": "02:00:00", "partition": "batch,long"},
    ],
)
def test_what_can_be_or_is_not_known_is_left_to_slurm(slurm: dict[str, Any]) -> None:
    """Hidden partitions, other clusters and qualities of service are not looked into."""
    assert why_nowhere(slurm, ROWS) == []


def test_a_site_that_configures_no_memory_allows_all() -> None:
    """1 MB is Slurm's default for that."""
    assert why_nowhere({"mem": "64G"}, [row(memory_mib=1)]) == []


def test_such_jobs_are_not_submitted_and_cost_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty good ones of two shapes and fifty bad ones: one sinfo."""
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster()
    world = World(cluster, tmp_path)
    world.submit(*fan(50, resources={"mem_mb": 100}))
    bad = fan(50, resources={"runtime": 2880})
    world.submit(*bad)
    world.submit(*fan(50, resources={"mem_mb": 200}))
    assert world.failed == bad
    assert "no partition of the cluster can run this job" in str(bad[0].errors[0][0])
    assert "debug: time 48:00:00" in str(bad[0].errors[0][0]) or "debug: time 2-00:00:00" in str(bad[0].errors[0][0])
    assert len(world.submitted) == 100
    assert world.calls_of("sinfo") == 1


def test_a_site_that_does_not_tell_is_asked_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused meanwhile: Slurm's own word counts."""
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster()
    cluster.missing_programs.add("sinfo")
    world = World(cluster, tmp_path)
    assert len(world.submit(FakeJob(resources={"runtime": 2880}))) == 1


def test_packs_end_before_the_partitions_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten jobs of 20 minutes in a partition of an hour: three at most share a task."""
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster(settings=Settings(partitions={"short": 3600, "long": None}))
    world = World(cluster, tmp_path, pack=10)
    placed = world.submit(*fan(10, resources={"runtime": 20}))
    assert len({one.task for one in placed}) == 4
    again = World(cluster, tmp_path, pack=10)
    jobs = [
        FakeJob(name="slow", wildcards={"i": str(i)}, resources={"runtime": 20, "slurm_partition": "long"})
        for i in range(10)
    ]
    assert {one.task for one in again.submit(*jobs)} == {None}


def test_on_a_real_cluster(slurm_workflow: Workflow) -> None:
    """With rule, file and line; a rule that can run does."""
    slurm_workflow.write("""
        rule all:
            input: "long.txt", "big.txt", "gpu.txt", "fine.txt"
        rule long:
            output: "long.txt"
            resources: runtime="30d"
            shell: "touch {output}"
        rule big:
            output: "big.txt"
            resources: mem_mb=900000
            shell: "touch {output}"
        rule gpu:
            output: "gpu.txt"
            resources: gres="gpu:h100:64"
            shell: "touch {output}"
        rule fine:
            output: "fine.txt"
            resources: runtime=5, mem_mb=100
            shell: "touch {output}"
        """)
    run = slurm_workflow.run("--jobs", "5", "--keep-going")
    assert run.returncode == 1
    for rule, line, why in (("long", 4, "time"), ("big", 8, "mem 900000M"), ("gpu", 12, "gres gpu:h100:64")):
        assert f"rule {rule}: Snakefile:{line}: no partition of the cluster can run this job" in run.stdout, run.stdout
        assert f"debug: {why}" in run.stdout, run.stdout
    assert slurm_workflow.exists("fine.txt")
    assert slurm_workflow.submissions == 1
