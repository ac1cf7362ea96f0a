"""Rules that need a service of the workflow, run by Snakemake."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from compose_core import observe, tracked_jobs
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

SERVER = """\
import http.server, os, sys
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
COMPOSE = """\
runtime: {{backend: host}}
x-slurm: {{time: "00:20:00"}}
services:
  model:
    command: [{python}, "${{HPCC_SERVER:-server.py}}", "@{{model.port.http}}"]
    readiness: {{type: http, url: "http://@{{model.host}}:@{{model.port.http}}/"}}
    x-slurm: {{ports: [http]}}
"""
SNAKEFILE = """
rule all:
    input: expand("out/{{n}}.txt", n=range({count}))
rule ask:
    output: "out/{{n}}.txt"
    resources: needs="model", runtime=5
    shell: "{python} -c 'import os, sys, urllib.request as r; assert r.urlopen(os.environ[\\"HPCC_MODEL_URL\\"]).status == 200' "
           "&& {wait} echo $HPCC_MODEL_URL > {{output}}"
"""


def write(workflow: Workflow, *, count: int, wait: str = "") -> None:
    """A model server, and so many jobs that ask it."""
    workflow.write(SERVER, "server.py")
    workflow.write(COMPOSE.format(python=sys.executable), "stacks/model.yaml")
    workflow.write("services: {model: {compose: stacks/model.yaml}}\n", "map.yaml")
    workflow.write(SNAKEFILE.format(count=count, wait=wait, python=sys.executable))


def services(workflow: Workflow) -> list[str]:
    """The jobs of the service that there were."""
    text = workflow.said()
    return re.findall(r"Service model of the workflow: job (\S+) (?:started|taken on)", text)


def test_twenty_jobs_share_one_service(slurm_workflow: Workflow) -> None:
    """They are submitted at once when the service is there; it ends with the workflow."""
    workflow = slurm_workflow
    write(workflow, count=20)
    done = workflow.run("-j", "50", "--hpccompose-config", "map.yaml", "--hpccompose-pack", "10")
    assert done.returncode == 0, done.stdout[-5000:]
    assert len({workflow.text(f"out/{number}.txt") for number in range(20)}) == 1
    assert len(services(workflow)) == 1
    assert workflow.submissions == 2
    workflow.until(
        lambda: all(one.terminal for one in observe(workflow.site, tracked_jobs(workflow.folder).records)),
        what="the end of the service",
    )


@pytest.mark.faults
def test_after_kill_9_jobs_and_service_are_taken_on(local_workflow: Workflow) -> None:
    """The jobs that run go on talking to it, and new ones join them."""
    workflow = local_workflow
    write(workflow, count=3, wait="while [ ! -e go ]; do sleep 0.2; done;")
    process = workflow.start("-j", "2", "--hpccompose-config", "map.yaml")
    workflow.until(lambda: workflow.submissions == 2, what="the array of the first two jobs", seconds=90)
    workflow.kill(process)
    process = workflow.start("-j", "2", "--hpccompose-config", "map.yaml", "--rerun-incomplete")
    workflow.until(lambda: workflow.said().count("Select jobs to execute...") == 2, what="the second run", seconds=90)
    (workflow.folder / "go").touch()
    assert process.wait(120) == 0, workflow.said()[-5000:]
    first, second = services(workflow)
    assert first == second
    assert "taken on" in workflow.said()
    assert len({workflow.text(f"out/{number}.txt") for number in range(3)}) == 1


def test_a_dead_service_is_the_error_of_every_job_that_waits(local_workflow: Workflow) -> None:
    """With the last lines of its log; none of them was submitted."""
    workflow = local_workflow
    write(workflow, count=2)
    workflow.write("import sys\nprint('no such weights: llama')\nsys.exit(3)\n", "server.py")
    done = workflow.run("-j", "5", "-k", "--hpccompose-config", "map.yaml")
    assert done.returncode == 1
    assert len(re.findall(r"ask\(n=\d\) was not submitted: service model of the workflow", done.stdout)) == 2
    assert "no such weights: llama" in done.stdout
    assert workflow.submissions == 1  # that of the service


@pytest.mark.faults
def test_detached_services_wait_for_the_next_run(local_workflow: Workflow) -> None:
    """As their jobs do."""
    workflow = local_workflow
    write(workflow, count=1, wait="while [ ! -e go ]; do sleep 0.2; done;")
    settings = ("-j", "2", "--hpccompose-config", "map.yaml", "--hpccompose-on-exit", "detach")
    process = workflow.start(*settings)
    workflow.until(lambda: workflow.submissions == 2, what="the job", seconds=90)
    process.send_signal(2)
    process.wait(60)
    known = json.loads((Path(workflow.folder) / ".snakemake/hpccompose/services.json").read_text())
    assert len(known["services"]["model"]) == 1
    process = workflow.start(*settings, "--rerun-incomplete")
    workflow.until(lambda: workflow.said().count("Select jobs to execute...") == 2, what="the second run", seconds=90)
    (workflow.folder / "go").touch()
    assert process.wait(120) == 0, workflow.said()[-5000:]
    assert workflow.submissions == 2
    workflow.until(
        lambda: all(one.terminal for one in observe(workflow.site, tracked_jobs(workflow.folder).records)),
        what="the end of the service that no job of the second run asked for",
    )
