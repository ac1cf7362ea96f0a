"""Services in containers beside rules in containers, run by Snakemake."""

from __future__ import annotations

import json

import pytest

from tests.snakemake.containers.images import HOST, PLACES, Images, run
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

STORE = """
import os, socketserver, sys

class Handler(socketserver.StreamRequestHandler):
    value = "nothing"

    def handle(self):
        word, _, value = self.rfile.readline().decode().strip().partition(" ")
        if word == "SET":
            Handler.value = value
        self.wfile.write(Handler.value.encode())

print("store in", open("/etc/os-release").readline().strip(), "for", os.environ["OWNER"], os.environ["ROLE"], flush=True)
socketserver.TCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Handler) as server:
    server.serve_forever()
"""
ASK = """
import os, socket, sys, time

def ask(line):
    address = os.environ["HPC_COMPOSE_STORE_HOST"], int(os.environ["HPC_COMPOSE_STORE_PORT_TCP"])
    with socket.create_connection(address) as connection:
        connection.sendall(line.encode() + b"\\n")
        return connection.recv(100).decode()

own = sys.argv[1]
ask("SET " + own)
open(own + ".mark", "w").close()
deadline = time.monotonic() + 90
while len([name for name in os.listdir(".") if name.endswith(".mark")]) < 2 and time.monotonic() < deadline:
    time.sleep(0.1)
print(ask("GET"), os.environ["HPC_COMPOSE_STORE_PORT_TCP"], open("/etc/os-release").readline().strip())
"""
RULES = """
rule all:
    input: "a.txt", "b.txt"
rule ask:
    output: "{{i}}.txt"
    container: "docker://{image}"
    resources: compose="stacks/store.yaml", mem_mb=100, runtime=3
    shell: "python ask.py {{wildcards.i}} > {{output}}"
"""


def write_stack(workflow: Workflow, image: str, runtime: str) -> None:
    """A store in a container; its program lies in the folder of the workflow."""
    folder = str(workflow.folder)
    store = {
        "image": f"docker://{image}",
        "command": ["python", "store.py", "@{store.port.tcp}"],
        "working_dir": folder,
        "environment": {"OWNER": "${HPCC_WILDCARD_i}"},
        "volumes": [f"{path}:{path}" for path in (*HOST, folder)],
        "readiness": {"type": "tcp", "port": "@{store.port.tcp}", "timeout_seconds": 90},
        "x-slurm": {"ports": ["tcp"], "mem": "100M"},
    }
    spec = {"runtime": {"backend": runtime}, "services": {"store": store}}
    workflow.write(json.dumps(spec, indent=1), "stacks/store.yaml")


def test_two_jobs_on_one_node_have_a_store_in_a_container_each(place: tuple[Workflow, str], images: Images) -> None:
    """Both run at the same time at ports of their own; the rule, in a container too, sees what its own store holds."""
    workflow, runtime = place
    write_stack(workflow, images.tool, runtime)
    workflow.write(STORE, "store.py")
    workflow.write(ASK, "ask.py")
    workflow.write(RULES.format(image=images.tool))
    run(place, "--hpccompose-container-mounts", *HOST)
    (one, port, *where), (other, other_port, *_) = (workflow.text(f"{name}.txt").split() for name in "ab")
    assert (one, other) == ("a", "b")
    assert port != other_port
    assert where == ['NAME="team/tool"']
    logs = sorted(path.read_text() for path in workflow.folder.glob(".hpc-compose/*/logs/store.log"))
    assert [text.splitlines()[0] for text in logs] == [f'store in NAME="team/tool" for {i} image' for i in "ab"]


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_an_image_that_cannot_be_fetched_is_the_error_of_the_rule(place: tuple[Workflow, str], images: Images) -> None:
    """With the line of the compose file that names it; nothing is submitted."""
    workflow, runtime = place
    missing = f"{images.bench.registry}/team/none:1"
    write_stack(workflow, missing, runtime)
    workflow.write(RULES.format(image="none").replace('    container: "docker://none"\n', ""))
    done = workflow.run("--jobs", "2")
    assert done.returncode == 1
    lines = workflow.text("stacks/store.yaml").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"image"' in text)
    assert f"stacks/store.yaml:{line}:" in done.stdout, done.stdout
    assert "image of store" in done.stdout
    assert workflow.submissions == 0


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_a_rules_image_that_cannot_be_fetched_ends_the_run(place: tuple[Workflow, str], images: Images) -> None:
    """Snakemake fetches it before there is an executor; our program names the line."""
    workflow, _ = place
    missing = f"docker://{images.bench.registry}/team/none:1"
    workflow.write(f'rule all:\n    output: "x"\n    container: "{missing}"\n    shell: "touch {{output}}"\n')
    done = workflow.run("--jobs", "2", "--sdm", "apptainer")
    assert done.returncode == 1
    assert "Snakefile:3: " in done.stdout, done.stdout
    assert missing in done.stdout
    assert workflow.submissions == 0
