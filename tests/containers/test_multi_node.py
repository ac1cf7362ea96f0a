"""What the tasks of a service find inside of their containers, by the stand-ins where the real programs are missing."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.containers.bench import HERE, ContainerBench
from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

TELL = """
cat "$HPC_COMPOSE_NODELIST_FILE" "$HPC_COMPOSE_MPI_HOSTFILE" > /tmp/files
echo "$RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $NODE_RANK/$NNODES" $MASTER_ADDR $RDZV_BACKEND $WHO \\
  $HPC_COMPOSE_PRIMARY_NODE $HPC_COMPOSE_MPI_HOSTFILE $(tr '\\n' ';' < /tmp/files)
"""
HOSTFILE = "/hpc-compose/job/allocation/hostfiles/app.txt"


def image(containers: ContainerBench, project: Project, name: str) -> None:
    """`image.sqsh` beside the compose file; it has an opinion about MASTER_ADDR."""
    reference = containers.push(name, environment={"WHO": "image", "MASTER_ADDR": "the-image", "RDZV_BACKEND": "etcd"})
    path = project.folder / "image.sqsh"
    project.environment = containers.environment(project.environment)
    words = ["enroot", "import", "--output", str(path), "--", f"docker://{reference.replace('/', '#', 1)}"]
    subprocess.run(words, env=project.environment, check=True, capture_output=True)


def test_the_tasks_of_an_enroot_service_know_each_other(containers: ContainerBench, tmp_path: Path) -> None:
    """On the local engine."""
    project = Project(tmp_path / "project", "local")
    image(containers, project, "multi/enroot")
    job = run(project, "enroot", "ntasks: 2", "ntasks: 2")
    host = socket.gethostname()
    tail = f"127.0.0.1 c10d image {host} {HOSTFILE} {host};{host} slots=2;"
    assert lines(project, job) == [f"{rank}/2 {rank}/2 0/1 {tail}" for rank in range(2)]


def run(project: Project, backend: str, job: str, step: str) -> str:
    """A job whose one service tells what it finds; gives its id."""
    script = textwrap.indent(TELL, " " * 14)
    project.write(f"""
        runtime: {{backend: {backend}}}
        x-slurm: {{{job}}}
        services:
          app:
            image: ./image.sqsh
            script: |
{script}
            x-slurm: {{{step}}}
    """)
    report = project.up(code=None)
    assert "state" in report, json.dumps(report)
    assert report["state"] == "COMPLETED", project.log(report["job_id"], "app")
    return str(report["job_id"])


def lines(project: Project, job: str) -> list[str]:
    """What each task said, by rank."""
    return sorted(line for line in project.log(job, "app").splitlines() if "c10d" in line)


@pytest.fixture
def cluster(slurm_bench: SlurmBench, shared_tmp: Path, containers: ContainerBench) -> Project:
    """A project folder on two nodes, where the stand-ins are found, too: the nodes see neither this repository nor /tmp."""
    if containers.uses_real_enroot:
        pytest.skip("the bench's nodes have no Pyxis of their own")
    code, programs = shared_tmp / "code" / "tests" / "containers", shared_tmp / "bin"
    shutil.copytree(HERE, code)
    programs.mkdir()
    (programs / "srun").write_text(f'#!/bin/sh\nexec /usr/bin/python3 {code}/srun.py "$@"\n')
    (programs / "srun").chmod(0o755)
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    image(containers, project, f"multi/{shared_tmp.name.lower()}")
    for name in ("CACHE", "DATA", "RUNTIME"):
        (shared_tmp / name).mkdir()
        project.environment[f"ENROOT_{name}_PATH"] = str(shared_tmp / name)
    project.environment["PATH"] = f"{programs}:{project.environment['PATH']}"
    return project


def test_the_tasks_of_a_pyxis_service_know_each_other(cluster: Project) -> None:
    """Two tasks on each of two nodes; what the job says wins over the image's ENV."""
    job = run(cluster, "pyxis", "nodes: 2, ntasks_per_node: 2", "nodes: 2")
    first, second = (cluster.job_dir(job) / "allocation/nodes.txt").read_text().split()
    tail = f"{first} c10d image {first} {HOSTFILE} {first};{second};{first} slots=2;{second} slots=2;"
    assert lines(cluster, job) == [f"{rank}/4 {rank % 2}/2 {rank // 2}/2 {tail}" for rank in range(4)]
