"""What a step gets of its job, as Slurm counts it: GPUs and memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm
GPUS = 'echo "$SLURM_NODEID gpus=${CUDA_VISIBLE_DEVICES-}"'
STEP = 'scontrol show step "$SLURM_JOB_ID.$SLURM_STEP_ID"'


@pytest.fixture
def cluster(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """An empty project folder on the four nodes, each of which has two GPUs."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


def gpus(project: Project, job: str, service: str) -> list[str]:
    """`node gpus=…` of each task."""
    return sorted(project.log(job, service).splitlines())


def memory(project: Project, job: str, service: str) -> str:
    """Memory of the step."""
    found = re.search(r"TRES=\S*\bmem=(\w+)", project.log(job, service))
    assert found is not None, project.log(job, service)
    return found[1]


def test_the_gpus_of_a_whole_job_reach_its_steps(cluster: Project) -> None:
    """Slurm copies the job's request to a step that has none, and then finds that one node cannot have them all."""
    cluster.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{nodes: 4, gpus: 8, metrics: {{}}}}
        services:
          helper: {{command: '{GPUS}'}}
          one: {{command: '{GPUS}', x-slurm: {{gpus: 1}}}}
          gres: {{command: '{GPUS}', x-slurm: {{gres: "gpu:1"}}}}
          wide: {{command: '{GPUS}', x-slurm: {{nodes: 4}}}}
    """)
    job = cluster.up()["job_id"]
    assert gpus(cluster, job, "helper") == ["0 gpus=0,1"]
    assert gpus(cluster, job, "one") == gpus(cluster, job, "gres") == ["0 gpus=0"]
    assert gpus(cluster, job, "wide") == [f"{node} gpus=0,1" for node in range(4)]
    assert "srun: error" not in (cluster.job_dir(job) / "metrics/sampler.log").read_text()


def test_a_step_gets_the_gpus_and_the_memory_that_it_asks_for(cluster: Project) -> None:
    """Not those that the job asked for by the node."""
    cluster.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{nodes: 4, gpus_per_node: 2, cpus_per_gpu: 2, mem_per_gpu: 300M}}
        services:
          helper: {{command: '{GPUS}'}}
          one: {{command: '{GPUS}; {STEP}', x-slurm: {{gpus: 1, mem_per_gpu: 200M}}}}
          small: {{command: '{STEP}', x-slurm: {{mem: 100M, cpus_per_task: 1}}}}
          wide: {{command: '{GPUS}', x-slurm: {{nodes: 4, gpus: 4}}}}
    """)
    job = cluster.up()["job_id"]
    assert gpus(cluster, job, "helper") == ["0 gpus=0,1"]
    assert "0 gpus=0" in gpus(cluster, job, "one")
    assert gpus(cluster, job, "wide") == [f"{node} gpus=0" for node in range(4)]
    assert (memory(cluster, job, "one"), memory(cluster, job, "small")) == ("200M", "100M")


def test_memory_of_a_step_beside_memory_of_the_node(cluster: Project) -> None:
    """The job's `mem` is what a step has that asks for none."""
    cluster.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{mem: 600M, cpus_per_task: 2}}
        services:
          all: {{command: '{STEP}'}}
          small: {{command: '{STEP}', x-slurm: {{mem: 100M}}}}
    """)
    job = cluster.up()["job_id"]
    assert (memory(cluster, job, "all"), memory(cluster, job, "small")) == ("600M", "100M")


@pytest.mark.parametrize(
    ("has", "asks"),
    [
        ("mem: 600M", "mem: 700M"),
        ("ntasks: 1", "ntasks: 2"),
        ("nodes: 2, ntasks_per_node: 1, cpus_per_task: 2", "cpus_per_task: 3"),
        ("nodes: 2, gpus_per_node: 1", "gpus: 2"),
    ],
)
def test_the_plan_refuses_what_srun_would_refuse(cluster: Project, has: str, asks: str) -> None:
    """The same request, raw, where the plan cannot see it."""
    options = {"mem": "--mem", "ntasks": "--ntasks", "cpus_per_task": "--cpus-per-task", "gpus": "--gpus"}
    key, value = asks.split(": ")
    text = """
        runtime: {backend: host}
        x-slurm: {%s, time: "00:01:00"}
        services:
          a: {command: '%s', x-slurm: {%s}}
          b: {command: sleep 1}
    """
    cluster.write(text % (has, "true", asks))
    assert "exceeds-allocation" in cluster.hpcc("plan", code=2).stderr
    inner = f"env -u SLURM_GPUS_PER_NODE srun --overlap --nodes=1 {options[key]}={value} true"
    cluster.write(text % (has, inner, "launch: batch"))
    report = cluster.up(code=1)
    assert "Unable to create step" in cluster.log(report["job_id"], "a")
