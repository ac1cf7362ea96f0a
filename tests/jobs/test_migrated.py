"""Docker Compose files that `hpcc migrate` converted, run as jobs of this machine.

Where a stack's own programs are not installed, small ones of the same name stand for them: what is tested is that the services find each
other, wait for each other, and read and write what they mount.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.jobs.project import Project

STACKS = Path(__file__).parents[1] / "core" / "migrate" / "stacks"
LISTEN = """\
#!/usr/bin/env python3
import socket
import sys

with socket.create_server(("127.0.0.1", {port})) as server:
    print("ready", flush=True)
    while True:
        server.accept()[0].close()
"""
SHOW = '#!/bin/sh\necho "$(basename "$0") $*"\n'

ETL = {
    "etl/extract.py": "open('/data/raw', 'w').write('3 4 5')\n",
    "etl/transform.py": "print(sum(map(int, open('/data/raw').read().split())), file=open('/data/sum', 'w'))\n",
    "etl/load.py": "print('the sum is', open('/data/sum').read().strip())\n",
}
DASK_JOB = """\
import os, socket
address = os.environ["DASK_SCHEDULER_ADDRESS"]
socket.create_connection((address.split("//")[1].split(":")[0], int(address.rsplit(":", 1)[1])), 5)
print("reached", address)
"""
PAIR = """
services:
  api:
    image: python:3.12-slim
    working_dir: /src
    command: python server.py
    volumes: ["./src:/src"]
    environment: {PORT: "%d"}
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:%d/"], interval: 2s}
    restart: always
  client:
    image: python:3.12-slim
    working_dir: /src
    command: python client.py
    volumes: ["./src:/src", "answers:/answers"]
    environment: {API_URL: "http://api:%d/client.py"}
    depends_on: {api: {condition: service_healthy}}
volumes: {answers: {}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """On the local engine, with a folder for programs on its PATH."""
    project = Project(tmp_path / "project", "local")
    project.environment["PATH"] += f":{tmp_path / 'bin'}"
    project.environment["USER"] = "ada"
    return project


def program(project: Project, name: str, text: str) -> None:
    """One that stands for that of an image."""
    path = project.folder.parent / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def unused_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])


def begin(project: Project, stack: str, **instead: object) -> None:
    """The stack's file in the project's folder, with some words replaced."""
    text = (STACKS / stack / "docker-compose.yaml").read_text()
    for word, other in instead.items():
        text = text.replace(word.lstrip("_"), str(other))
    (project.folder / "docker-compose.yaml").write_text(text)


def run_migrated(project: Project, files: dict[str, str] | None = None) -> str:
    """The job of the converted file, which has to complete."""
    for name, text in (files or {}).items():
        project.write(text, name)
    project.json("migrate", "--without-containers", "-o", "compose.yaml", "docker-compose.yaml")
    report = project.up("--no-preflight")
    assert report["state"] == "COMPLETED"
    return str(report["job_id"])


def test_three_steps_hand_files_to_each_other_through_a_named_volume(project: Project) -> None:
    """The programs name it by its place in the container, so they are told the real one."""
    files = {name: text.replace("'/data/", f"'{project.folder}/volumes/data/") for name, text in ETL.items()}
    begin(project, "etl-three-steps")
    job = run_migrated(project, files)
    assert project.log(job, "load") == "the sum is 12\n"


def test_a_client_finds_the_server_that_it_waits_for(project: Project) -> None:
    project.write(PAIR.replace("%d", str(unused_port())), "docker-compose.yaml")
    server = (
        "import http.server, os\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))\n"
    )
    client = (
        "import os, urllib.request\nprint(urllib.request.urlopen(os.environ['API_URL']).status)\nprint(os.getcwd())\n"
    )
    job = run_migrated(project, files={"src/server.py": server, "src/client.py": client})
    assert project.log(job, "client") == f"200\n{project.folder}/src\n"
    assert project.service(job, "api")["status"] == "stopped"


def test_names_and_texts_that_look_odd_come_through(project: Project) -> None:
    begin(project, "odd-names")
    job = run_migrated(project)
    said = project.hpcc("logs", "--job-id", job, "--service", "my.app_1").stdout
    assert said.splitlines() == [project.environment["HOME"], "ada"]


def test_a_probe_of_the_hosts_network_is_one(project: Project) -> None:
    program(project, "ping", SHOW)
    begin(project, "host-network")
    job = run_migrated(project)
    assert "127.0.0.1" in project.log(job, "probe")


def test_a_scheduler_its_workers_and_a_job_meet_on_one_node(project: Project) -> None:
    """`dask-scheduler`, the name of the host there, is 127.0.0.1 here."""
    port = unused_port()
    program(project, "dask-scheduler", LISTEN.format(port=port))
    program(project, "dask-worker", SHOW.replace("\necho", "\nexec sleep 600; echo"))
    begin(project, "dask", _8786=port)
    job = run_migrated(project, {"app/job.py": DASK_JOB})
    assert project.log(job, "job") == f"reached tcp://127.0.0.1:{port}\n"


def test_a_notebook_starts_in_the_folder_that_was_mounted(project: Project) -> None:
    program(project, "start-notebook.py", '#!/bin/sh\necho "$PWD $JUPYTER_TOKEN $*"\n')
    project.environment["PWD"] = str(project.folder)
    begin(project, "jupyter")
    job = run_migrated(project)
    assert project.log(job, "notebook") == f"{project.folder} letmein --NotebookApp.base_url=/lab\n"
