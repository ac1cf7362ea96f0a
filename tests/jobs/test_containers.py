"""Services in real images: from a registry through the cache into containers of a real Slurm job and of the local engine."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.bench import ContainerBench, missing_programs
from tests.jobs.project import EngineName, Project
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import skip_or_fail_without

pytestmark = pytest.mark.slurm

BACKENDS = [("slurm", "pyxis"), ("slurm", "enroot"), ("local", "enroot")]


class Images:
    """The images of these tests, in a registry that all nodes reach."""

    def __init__(self, bench: ContainerBench) -> None:
        self.bench = bench
        self.server = bench.push("team/server", environment={"ROLE": "server of the image"}, working_dir="/srv")
        self.client = bench.push(
            "team/client",
            environment={"ROLE": "client of the image", "PATH": "/opt/client:/bin"},
            entrypoint=["/bin/echo", "own entrypoint"],
            command=["and", "own command"],
            working_dir="/work",
            files={"/opt/client/ask": "#!/bin/sh\necho asked from $ROLE\n"},
        )


@pytest.fixture(scope="module")
def images(slurm_bench: SlurmBench) -> Iterator[Images]:
    """Below the folder that the nodes share: they have their own /tmp."""
    skip_or_fail_without(missing_programs())
    bench = ContainerBench(Path(tempfile.mkdtemp(prefix="containers-", dir=slurm_bench.shared_dir)))
    bench.up()
    try:
        yield Images(bench)
    finally:
        bench.down()


@pytest.fixture(params=BACKENDS, ids=["-".join(pair) for pair in BACKENDS])
def place(
    request: pytest.FixtureRequest, images: Images, slurm_bench: SlurmBench, shared_tmp: Path
) -> tuple[Project, str]:
    """An empty project on the engine, and the container backend."""
    engine: EngineName
    engine, backend = request.param
    environment = (
        dict(slurm_bench.environment) if engine == "slurm" else {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    return Project(shared_tmp / "project", engine, images.bench.environment(environment)), backend


def up(project: Project) -> dict[str, Any]:
    """The folder that the nodes of the bench share lies in /tmp, which preflight takes for the node's own."""
    return project.up(*(["--no-preflight"] if project.engine == "slurm" else []))


def test_services_run_in_the_images_they_name(place: tuple[Project, str], images: Images) -> None:
    """Two images, a mount, a prepared one, artifacts; on two nodes where there are nodes."""
    project, backend = place
    nodes = "nodes: 2, ntasks_per_node: 1, " if project.engine == "slurm" else ""
    wide = "nodes: 2" if project.engine == "slurm" else "ntasks: 1"
    project.write("from the host\n", "data/input.txt")
    project.write(
        f"""
        name: containers
        runtime: {{backend: {backend}}}
        x-slurm: {{{nodes}time: "00:02:00", artifacts: {{export_dir: results, paths: [/hpc-compose/job/out/**]}}}}
        services:
          server:
            image: {images.server}
            x-slurm: {{lifecycle: sidecar}}
            working_dir: /tmp
            command: |
              . /etc/os-release; echo "server $NAME in $PWD as $ROLE"
              touch /hpc-compose/job/up; while :; do sleep 0.2; done
            readiness: {{type: log, pattern: "^server"}}
          client:
            image: {images.client}
            depends_on: {{server: {{condition: service_healthy}}}}
            environment: {{GREETING: "two words; $$(not run)"}}
            volumes: ["./data:/data:ro"]
            x-slurm: {{{wide}}}
            x-runtime:
              prepare:
                env: {{SECRET: s3}}
                commands: ["echo built > /built", "test \\"$SECRET\\" = s3 && echo $SECRET > /root-of-prepare"]
            command: |
              . /etc/os-release; mkdir -p /hpc-compose/job/out
              echo "client $NAME task $SLURM_PROCID of $SLURM_NTASKS" > /hpc-compose/job/out/$SLURM_PROCID
              cat /built /data/input.txt; ask; echo "$GREETING"; echo "$HPC_COMPOSE_SERVICE_NAME $HPC_COMPOSE_JOB_DIR"
              touch /data/x || echo "data is read-only"; touch /x && echo "root is writable"
        """
    )
    report = up(project)
    log = project.log(report["job_id"], "client")
    for line in (
        "built",
        "from the host",
        "asked from client of the image",
        "two words; $(not run)",
        "client /hpc-compose/job",
        "data is read-only",
        "root is writable",
    ):
        assert line in log.splitlines(), log
    assert "server team/server in /tmp as server of the image" in project.log(report["job_id"], "server")
    project.hpcc("artifacts")
    results = sorted(path.read_text() for path in (project.folder / "results" / "out").iterdir())
    tasks = 2 if project.engine == "slurm" else 1
    assert results == [f"client team/client task {task} of {tasks}\n" for task in range(tasks)]
    again = project.json("prepare")
    assert {image["how"] for image in again["images"]} == {"reused"}


def test_a_service_without_a_command_runs_the_images_own(place: tuple[Project, str], images: Images) -> None:
    project, backend = place
    project.write(
        f"""
        runtime: {{backend: {backend}}}
        x-slurm: {{time: "00:02:00"}}
        services: {{own: {{image: {images.client}}}}}
        """
    )
    report = up(project)
    assert "own entrypoint and own command" in project.log(report["job_id"], "own").splitlines()


def test_a_secret_wins_over_the_images_variable(place: tuple[Project, str], images: Images) -> None:
    """Container programs are told its name alone; the service next to it sees what the image says."""
    project, backend = place
    value = 's3cr3t $(id) `id` it\'s "so" ünï'
    project.write(value + "\n", "key").chmod(0o600)
    project.environment["SOURCE_TOKEN"] = value + "!"
    project.write(
        f"""
        runtime: {{backend: {backend}}}
        x-slurm: {{time: "00:02:00"}}
        secrets: {{ROLE: {{file: key}}, TOKEN: {{env: SOURCE_TOKEN}}}}
        services:
          app: {{image: {images.server}, command: 'printf "<%s><%s>" "$ROLE" "$TOKEN" | sha256sum', secrets: [ROLE, TOKEN]}}
          other: {{image: {images.server}, command: 'echo "$ROLE" "${{TOKEN-unset}}" "${{SOURCE_TOKEN-unset}}"'}}
        """
    )
    report = up(project)
    digest = hashlib.sha256(f"<{value}><{value}!>".encode()).hexdigest()
    assert project.log(report["job_id"], "app").split()[:1] == [digest]
    assert project.log(report["job_id"], "other") == "server of the image unset unset\n"
