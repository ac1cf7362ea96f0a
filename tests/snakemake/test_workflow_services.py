"""Services with workflow scope: one job for all that need it, on the local engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compose_core import Site, find_submission, tracked_jobs
from snakemake_executor_plugin_hpccompose.service_endpoint import Endpoint
from snakemake_executor_plugin_hpccompose.workflow_services import (
    Answer,
    Failed,
    Ready,
    Waiting,
    WorkflowService,
    WorkflowServices,
)

pytestmark = pytest.mark.adapters

SERVER = """\
import http.server, os
port = int(os.environ["HPC_COMPOSE_MODEL_PORT_HTTP"])
http.server.ThreadingHTTPServer(("", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
COMPOSE = """\
name: model
runtime: {backend: host}
x-slurm: {time: "TIME"}
services:
  model:
    command: [PYTHON, -c, "@SERVER@"]
    x-slurm: {ports: [http]}
    readiness: {type: http, url: "http://127.0.0.1:@{model.port.http}/"}
"""


class World:
    """A workflow's folder, and runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        (folder / "home").mkdir()
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "LANG": "C.UTF-8"}
        self.site = Site.detect("local", environment)
        self.runs: list[WorkflowServices] = []

    def write(self, text: str, name: str = "model.yaml") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def model(self, *, time_limit: str = "00:10:00") -> Path:
        """The compose file of a server."""
        (self.folder / "server.py").write_text(SERVER)
        text = COMPOSE.replace("TIME", time_limit).replace("PYTHON", sys.executable)
        return self.write(text.replace('-c, "@SERVER@"', f"{self.folder}/server.py"))

    def run(
        self, name: str = "r1", *, timeout_s: float = 60.0, take_on: bool = True, **services: Path
    ) -> WorkflowServices:
        made = WorkflowServices(
            self.site,
            self.folder,
            self.folder / "services.json",
            {one: WorkflowService(name=one, compose=path) for one, path in services.items()},
            run=name,
            timeout_s=timeout_s,
            take_on=take_on,
            say=self.said.append,
        )
        self.runs.append(made)
        return made

    def jobs(self) -> list[str]:
        return [record.job_id for record in tracked_jobs(self.folder).records]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """It leaves no job behind."""
    world = World(tmp_path)
    yield world
    for run in world.runs:
        run.stop_all()


def settled(services: WorkflowServices, *names: str, since: float | None = None, timeout_s: float = 60.0) -> Answer:
    """The first answer but Waiting."""
    since = time.monotonic() if since is None else since
    answer: Answer = Waiting("")
    wait_for(
        lambda: not isinstance(services.ready(names, since=since), Waiting),
        f"an answer of {names}",
        timeout_s=timeout_s,
    )
    answer = services.ready(names, since=since)
    return answer


def wait_for(reached: Callable[[], object], what: str, *, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.1)


def fetched(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.status)


def test_the_first_job_that_asks_starts_the_service_and_all_others_share_it(world: World) -> None:
    """Twenty jobs, one service."""
    services = world.run(model=world.model())
    assert isinstance(services.ready(["model"]), Waiting)
    answers = [settled(services, "model") for _ in range(20)]
    urls = {answer.env["HPCC_MODEL_URL"] for answer in answers if isinstance(answer, Ready)}
    assert len(urls) == 1
    assert fetched(urls.pop()) == 200
    assert len(world.jobs()) == 1
    services.stop_all()
    record = tracked_jobs(world.folder).records[0]
    wait_for(lambda: _is_over(world, record.job_id), "the end of the service")


def _is_over(world: World, job_id: str) -> bool:
    state = world.folder / ".hpc-compose" / job_id / "state.json"
    return state.exists() and json.loads(state.read_text())["job_status"] != "RUNNING"


def test_nothing_runs_before_a_job_asks(world: World) -> None:
    """A workflow whose jobs need nothing pays nothing."""
    services = world.run(model=world.model())
    services.tick()
    services.step()
    assert world.jobs() == []


def test_a_service_that_nobody_named_is_an_error(world: World) -> None:
    """With the names that there are."""
    answer = world.run(model=world.model()).ready(["model", "vllm"])
    assert isinstance(answer, Failed)
    assert "vllm" in answer.reason
    assert "model" in answer.reason


def test_a_killed_run_leaves_its_service_to_the_next_one(world: World) -> None:
    """The job is found by its run key; no second one is started."""
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.snakemake.test_workflow_services import World, settled
world = World.__new__(World)
from compose_core import Site
world.folder, world.said, world.runs = Path({str(world.folder)!r}), [], []
world.site = Site.detect("local", {dict(world.site.environment)!r})
print(settled(world.run("r0", model=Path({str(world.model())!r})), "model").env["HPCC_MODEL_URL"], flush=True)
time.sleep(600)
"""
    first = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=world.folder)
    assert first.stdout is not None
    url = first.stdout.readline().strip()
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    second = world.run("r1", model=world.folder / "model.yaml")
    answer = settled(second, "model")
    assert isinstance(answer, Ready)
    assert answer.env["HPCC_MODEL_URL"] == url
    assert len(world.jobs()) == 1
    assert "taken on" in world.said[0]


def test_a_changed_service_is_not_taken_on(world: World) -> None:
    """The one of the earlier run ends, or two would hold GPUs."""
    first = world.run("r1", model=world.model())
    assert isinstance(settled(first, "model"), Ready)
    first.stop_all(keep=True)
    [old] = world.jobs()
    second = world.run("r2", model=world.model(time_limit="00:20:00"))
    assert isinstance(settled(second, "model"), Ready)
    assert len(world.jobs()) == 2
    wait_for(lambda: _is_over(world, old), "the end of the old one")


def test_a_service_that_was_left_over_ends_with_the_next_run(world: World) -> None:
    """Also when no job of that run needs it."""
    first = world.run("r1", model=world.model())
    assert isinstance(settled(first, "model"), Ready)
    first.stop_all(keep=True)
    world.run("r2").stop_all()
    wait_for(lambda: _is_over(world, world.jobs()[0]), "the end of the service")


def test_a_service_that_dies_is_the_error_of_all_jobs_that_wait(world: World) -> None:
    """With the last words of its log; a job that asks later starts it again, and after three failures in a row none does."""
    services = world.run(
        model=world.write(
            """
            runtime: {backend: host}
            services:
              model:
                command: "echo no such weights >&2; exit 3"
                readiness: {type: tcp, port: 1}
            """
        )
    )
    for count in (1, 2, 3):
        since = time.monotonic()
        answer = settled(services, "model", since=since)
        assert isinstance(answer, Failed)
        assert "exit code 3" in answer.reason
        assert "no such weights" in answer.log_tail
        assert services.ready(["model"], since=since) == answer
        assert len(world.jobs()) == count
    assert isinstance(services.ready(["model"], since=time.monotonic()), Failed)
    time.sleep(0)
    assert len(world.jobs()) == 3


def test_a_service_that_never_gets_ready_is_ended(world: World) -> None:
    """After the time that the settings allow."""
    services = world.run(
        timeout_s=2.0,
        model=world.write(
            """
            runtime: {backend: host}
            services:
              model: {command: "sleep 300", readiness: {type: log, pattern: never, timeout_seconds: 300}}
            """
        ),
    )
    answer = settled(services, "model")
    assert isinstance(answer, Failed)
    assert "not ready within 2 s" in answer.reason
    wait_for(lambda: _is_over(world, world.jobs()[0]), "the end of the service")


def test_a_compose_file_that_is_wrong_is_the_error(world: World) -> None:
    """With its place; nothing is submitted."""
    answer = settled(world.run(model=world.write("services: {model: {imaje: x}}\n")), "model")
    assert isinstance(answer, Failed)
    assert "model.yaml:1" in answer.reason
    assert world.jobs() == []


def test_before_its_time_limit_a_successor_takes_over(world: World) -> None:
    """Jobs are served without a gap; the old one goes on for those that use it."""
    services = world.run(model=world.model(time_limit="00:00:30"))
    first = settled(services, "model")
    assert isinstance(first, Ready)
    assert services.ready(["model"], needed_s=15.0) == first
    assert services.ready(["model"], needed_s=600.0) == first  # a fresh one would not last longer either
    wait_for(lambda: services.ready(["model"], needed_s=20.0) != first, "the time to wait for a fresh one")
    wait_for(lambda: isinstance(services.ready(["model"], needed_s=20.0), Ready), "the fresh one")
    second = services.ready(["model"], needed_s=20.0)
    assert isinstance(second, Ready)
    assert second.env != first.env
    assert fetched(first.env["HPCC_MODEL_URL"]) == 200
    assert len(world.jobs()) == 2


def test_a_literal_port_is_found_in_the_readiness(world: World, free_port: int) -> None:
    """Files that were written for one fixed port work, too."""
    path = world.write(
        f"""
        runtime: {{backend: host}}
        services:
          cache:
            command: [{sys.executable}, -m, http.server, "{free_port}"]
            readiness: {{type: tcp, port: {free_port}}}
        """
    )
    answer = settled(world.run(my_cache=path), "my_cache")
    assert isinstance(answer, Ready)
    assert answer.env["HPCC_MY_CACHE_PORT"] == str(free_port)
    assert answer.env["HPCC_MY_CACHE_HOST"] == "127.0.0.1"


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def test_run_keys_lead_to_the_jobs(world: World) -> None:
    """A crash between the submission and the file is settled by the submission itself."""
    services = world.run("abc", model=world.model())
    settled(services, "model")
    assert find_submission(world.site, world.folder, "smk-abc-service-model-1") is not None


def test_names_become_variables() -> None:
    """Whatever letters a service's name has."""
    assert Endpoint(host="n1", ports={"http": 80, "grpc-2": 81}).variables("my-model.1") == {
        "HPCC_MY_MODEL_1_HOST": "n1",
        "HPCC_MY_MODEL_1_PORT": "80",
        "HPCC_MY_MODEL_1_URL": "http://n1:80",
        "HPCC_MY_MODEL_1_PORT_HTTP": "80",
        "HPCC_MY_MODEL_1_PORT_GRPC_2": "81",
    }
