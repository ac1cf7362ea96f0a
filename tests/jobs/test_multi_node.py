"""Jobs on several nodes, and steps of several tasks: what every task finds, that they reach each other, and MPI."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import skip_or_fail_without

TELL = """
    import json, os, socket
    names = [name for name in os.environ if name.startswith(("HPC_COMPOSE_", "SLURM_", "RDZV_", "MASTER_"))]
    names += ["RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NNODES"]
    told = {name: os.environ.get(name) for name in names}
    told["hostname"] = socket.gethostname()
    for name in ("NODELIST_FILE", "MPI_HOSTFILE"):
        path = os.environ.get("HPC_COMPOSE_" + name)
        told[name] = open(path).read().split("\\n")[:-1] if path else None
    with open("told.{}.{}.json".format(os.environ["HPC_COMPOSE_SERVICE_NAME"], os.environ["RANK"]), "w") as file:
        json.dump(told, file)
"""
ALL_REDUCE = '''
"""What torchrun's c10d rendezvous does, in small: rank 0 serves at MASTER_ADDR:MASTER_PORT, all ranks add up."""
import os, socket, sys, time

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
assert os.environ["RDZV_ENDPOINT"] == "{}:{}".format(*place)
assert sys.argv[1:] in ([], [os.environ["RDZV_ENDPOINT"]])


def joined():
    give_up_at = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(place, timeout=30)
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)


if rank == 0:
    server = socket.create_server(place, backlog=world)
    others = [server.accept()[0].makefile("rw") for _ in range(world - 1)]
    total = 1 + sum(int(other.readline()) for other in others)
    for other in others:
        other.write("{}\\n".format(total))
        other.flush()
else:
    link = joined().makefile("rw")
    link.write("{}\\n".format(rank + 1))
    link.flush()
    total = int(link.readline())
print("rank {} of {} on {}: {}".format(rank, world, socket.gethostname(), total))
'''
MPI_HELLO = r"""
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
  int rank, size, sum, length;
  char host[MPI_MAX_PROCESSOR_NAME];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_processor_name(host, &length);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("rank %d of %d on %s: %d\n", rank, size, host, sum);
  MPI_Finalize();
  return 0;
}
"""


def told(project: Project, service: str) -> list[dict[str, Any]]:
    """What each task of a service found, by rank."""
    found = [json.loads(path.read_text()) for path in project.folder.glob(f"told.{service}.*.json")]
    return sorted(found, key=lambda item: int(item["RANK"]))


@pytest.fixture
def cluster(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """An empty project folder on the four nodes."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


@pytest.mark.slurm
def test_every_task_on_four_nodes_knows_the_others(cluster: Project) -> None:
    """Eight tasks and a helper: same address for all, own ranks for each, and the allocation's nodes."""
    cluster.write(TELL, "tell.py")
    cluster.write("""
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks_per_node: 2}
        services:
          helper: {command: [python3, tell.py], x-slurm: {lifecycle: sidecar}}
          train: {command: [python3, tell.py], depends_on: [helper], x-slurm: {nodes: 4}}
    """)
    job = cluster.up()["job_id"]
    tasks = told(cluster, "train")
    nodes = ["node1", "node2", "node3", "node4"]
    assert [int(task["RANK"]) for task in tasks] == list(range(8))
    for task in tasks:
        assert task["RANK"] == task["SLURM_PROCID"]
        assert (task["LOCAL_RANK"], task["NODE_RANK"]) == (task["SLURM_LOCALID"], task["SLURM_NODEID"])
        assert nodes[int(task["NODE_RANK"])] == task["hostname"]
        assert task["MPI_HOSTFILE"] == [f"{node} slots=2" for node in nodes]
    helper = told(cluster, "helper")
    assert [task["hostname"] for task in helper] == ["node1"]
    assert {task["MASTER_PORT"] for task in tasks}.isdisjoint({task["MASTER_PORT"] for task in helper})
    for task in [*tasks, *helper]:
        is_helper = task in helper
        port = task["MASTER_PORT"]
        assert (task["MASTER_ADDR"], task["RDZV_ENDPOINT"]) == ("node1", f"node1:{port}")
        assert task["HPC_COMPOSE_HELPER_PORT_MASTER" if is_helper else "HPC_COMPOSE_TRAIN_PORT_MASTER"] == port
        assert (task["WORLD_SIZE"], task["NNODES"], task["LOCAL_WORLD_SIZE"]) == (
            ("1", "1", "1") if is_helper else ("8", "4", "2")
        )
        assert task["RDZV_BACKEND"] == "c10d"
        assert task["RDZV_ID"].startswith(f"{job}.")
        assert (task["HPC_COMPOSE_PRIMARY_NODE"], task["HPC_COMPOSE_NODE_COUNT"]) == ("node1", "4")
        assert task["HPC_COMPOSE_NODELIST"] == "node[1-4]"
        assert task["NODELIST_FILE"] == nodes
    assert "Warning" not in cluster.log(job, "helper") + cluster.log(job, "train")
    allocation = cluster.job_dir(job) / "allocation"
    assert (allocation / "primary_node").read_text() == "node1\n"
    assert (cluster.service(job, "train")["nodelist"], cluster.service(job, "helper")["nodelist"]) == (
        "node[1-4]",
        "node1",
    )


@pytest.mark.slurm
def test_tasks_that_slurm_deals_out_unevenly_know_how_many_they_are_on_their_node(cluster: Project) -> None:
    """Five tasks on four nodes: two on the first."""
    cluster.write(TELL, "tell.py")
    cluster.write("""
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks: 5}
        services:
          train: {command: [python3, tell.py], environment: {node: mine, MASTER_PORT: 29500, NODE_RANK: "7"}}
    """)
    cluster.up()
    tasks = told(cluster, "train")
    assert [(task["hostname"], task["LOCAL_WORLD_SIZE"]) for task in tasks] == [
        ("node1", "2"),
        ("node1", "2"),
        ("node2", "1"),
        ("node3", "1"),
        ("node4", "1"),
    ]
    assert tasks[0]["MPI_HOSTFILE"] == ["node1 slots=2", "node2 slots=1", "node3 slots=1", "node4 slots=1"]
    assert {(task["MASTER_PORT"], task["RDZV_ENDPOINT"], task["NODE_RANK"]) for task in tasks} == {
        ("29500", "node1:29500", "7")
    }


def test_the_tasks_of_one_node_know_each_other_on_both_engines(project: Project) -> None:
    """The local engine gives the same variables as Slurm."""
    project.write(TELL, "tell.py")
    project.write("""
        runtime: {backend: host}
        x-slurm: {ntasks: 3}
        services:
          train: {command: [python3, tell.py], x-slurm: {ntasks: 3}}
    """)
    project.environment["RANK"] = project.environment["WORLD_SIZE"] = "99"  # of the shell that submits
    project.up()
    tasks = told(project, "train")
    assert [(task["RANK"], task["LOCAL_RANK"], task["NODE_RANK"]) for task in tasks] == [
        ("0", "0", "0"),
        ("1", "1", "0"),
        ("2", "2", "0"),
    ]
    assert {(task["WORLD_SIZE"], task["LOCAL_WORLD_SIZE"], task["NNODES"]) for task in tasks} == {("3", "3", "1")}
    assert len({task["RDZV_ENDPOINT"] for task in tasks}) == 1
    assert [line.partition(" ")[2] for line in tasks[0]["MPI_HOSTFILE"]] == ["slots=3"]


def test_the_ranks_of_one_node_meet_at_the_reserved_port(project: Project) -> None:
    """A rendezvous as torchrun's, over the port that the job reserved."""
    project.write(ALL_REDUCE, "reduce.py")
    project.write("""
        runtime: {backend: host}
        x-slurm: {ntasks: 3}
        services:
          train:
            command: [python3, reduce.py, "@{train.host}:@{train.port.master}"]
            x-slurm: {ntasks: 3}
    """)
    job = project.up()["job_id"]
    lines = sorted(project.log(job, "train").splitlines())
    assert [line.partition(" on ")[0] for line in lines] == [f"rank {rank} of 3" for rank in range(3)]
    assert {line.rpartition(": ")[2] for line in lines} == {"6"}


@pytest.mark.slurm
def test_the_ranks_of_four_nodes_meet_at_the_reserved_port(cluster: Project) -> None:
    """All-reduce over eight ranks."""
    cluster.write(ALL_REDUCE, "reduce.py")
    cluster.write("""
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks_per_node: 2}
        services:
          train: {command: 'exec python3 reduce.py'}
    """)
    job = cluster.up()["job_id"]
    lines = sorted(cluster.log(job, "train").splitlines())
    assert lines == [f"rank {rank} of 8 on node{rank // 2 + 1}: 36" for rank in range(8)]


@pytest.mark.slurm
def test_an_mpi_program_runs_over_four_nodes(cluster: Project) -> None:
    """Compiled with Open MPI, wired up by Slurm through PMIx; every rank is seen."""
    skip_or_fail_without([] if shutil.which("mpicc") else ["mpicc"])
    source = cluster.write(MPI_HELLO, "hello.c")
    subprocess.run(["mpicc", "-o", str(cluster.folder / "hello"), str(source)], check=True, capture_output=True)
    cluster.write("""
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks_per_node: 2}
        services:
          hello:
            command: [./hello]
            environment: {OMPI_MCA_btl: "self,tcp", OMPI_MCA_pml: ob1}
            x-slurm: {mpi: {type: pmix, expected_ranks: 8}}
    """)
    job = cluster.up()["job_id"]
    lines = sorted(line for line in cluster.log(job, "hello").splitlines() if line.startswith("rank"))
    assert lines == [f"rank {rank} of 8 on node{rank // 2 + 1}: 28" for rank in range(8)]
