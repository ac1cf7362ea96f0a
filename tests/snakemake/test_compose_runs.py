"""Rules with services beside them, on this machine and on a real Slurm cluster."""

from __future__ import annotations

import pytest

from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

STORE = """
import os, socketserver, sys

class Handler(socketserver.StreamRequestHandler):
    store = {}

    def handle(self):
        word, _, value = self.rfile.readline().decode().strip().partition(" ")
        if word == "SET":
            self.store["value"] = value
        elif word == "DIE":
            print("the store says good-bye", flush=True)
            os._exit(9)
        self.wfile.write(self.store.get("value", "nothing").encode())

print("store for", os.environ["HPCC_WILDCARD_i"], "of", os.environ["HPCC_RULE"], os.environ["SET_BY"], flush=True)
with socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    server.serve_forever()
"""
STACK = """
runtime: {backend: host}
services:
  store:
    command: exec python3 store.py @{store.port.tcp}
    environment: {SET_BY: "attempt ${HPCC_ATTEMPT} of ${HPCC_WILDCARD_i}"}
    readiness: {type: tcp, port: "@{store.port.tcp}", timeout_seconds: 60}
    x-slurm: {ports: [tcp], mem: 50M}
  client:
    environment: {GREETING: "hello $$USER"}
"""
ASK = """
import os, socket, sys, time

def ask(line):
    with socket.create_connection((os.environ["HPC_COMPOSE_STORE_HOST"], int(os.environ["HPC_COMPOSE_STORE_PORT_TCP"]))) as s:
        s.sendall(line.encode() + b"\\n")
        return s.recv(100).decode()

own = sys.argv[1]
ask("SET " + own)
if own == "die":
    try:
        ask("DIE")
    except OSError:
        pass
    time.sleep(60)
open(own + ".mark", "w").close()
deadline = time.monotonic() + 60
while len([name for name in os.listdir(".") if name.endswith(".mark")]) < int(sys.argv[2]) and time.monotonic() < deadline:
    time.sleep(0.1)
print(ask("GET"), os.environ["HPC_COMPOSE_STORE_PORT_TCP"], os.environ["GREETING"])
"""
RULES = """
rule all:
    input: expand("{{i}}.txt", i={names})
rule ask:
    output: "{{i}}.txt"
    resources: compose="stacks/store.yaml", compose_main="client", mem_mb=100, runtime=3
    shell: "python3 ask.py {{wildcards.i}} {count} > {{output}}"
"""


def with_store(workflow: Workflow, *names: str) -> Workflow:
    """The workflow whose rule needs a store of its own in each job."""
    workflow.write(STORE, "store.py")
    workflow.write(STACK, "stacks/store.yaml")
    workflow.write(ASK, "ask.py")
    workflow.write(RULES.format(names=list(names), count=len(names)))
    return workflow


def test_two_jobs_on_one_node_have_a_service_each(workflow: Workflow) -> None:
    """Both run at the same time, at ports of their own, and neither sees what the other one stores."""
    run = with_store(workflow, "a", "b").run("--jobs", "5")
    assert run.returncode == 0, run.stdout
    (one, port, *greeting), (other, other_port, *_) = (workflow.text(f"{name}.txt").split() for name in "ab")
    assert (one, other) == ("a", "b")
    assert port != other_port
    assert greeting == ["hello", "$USER"]
    logs = sorted(path.read_text() for path in workflow.folder.glob(".hpc-compose/*/logs/store.log"))
    assert [text.splitlines()[0] for text in logs] == [f"store for {i} of ask attempt 1 of {i}" for i in "ab"]


def test_a_service_that_dies_fails_its_job_with_the_end_of_its_log(workflow: Workflow) -> None:
    run = with_store(workflow, "die").run("--jobs", "5")
    assert run.returncode == 1
    assert "the store says good-bye" in run.stdout, run.stdout
    assert "store" in run.stdout
    assert not workflow.exists("die.txt")


def test_what_cannot_be_is_told_before_anything_is_submitted(local_workflow: Workflow) -> None:
    """Each with the rule, the file and the line."""
    workflow = local_workflow
    workflow.write("services: {a: {command: run}}\nruntime: {backend: hots}\n", "wrong.yaml")
    workflow.write("runtime: {backend: host}\nservices: {a: {command: run}}\n", "right.yaml")
    workflow.write("partitions:\n  short: {max_runtime: 10}\n", "partitions.yaml")
    workflow.write("""
        rule all:
            input: "1", "2", "3", "4", "5"
        rule missing:
            output: "1"
            resources: compose="none.yaml"
            shell: "touch {output}"
        rule wrong:
            output: "2"
            resources: compose="wrong.yaml"
            shell: "touch {output}"
        rule unknown:
            output: "3"
            resources: compose="right.yaml", compose_main="b"
            shell: "touch {output}"
        rule long:
            output: "4"
            resources: runtime=100
            shell: "touch {output}"
        rule needy:
            output: "5"
            resources: needs="vllm", runtime=5
            shell: "touch {output}"
        """)
    run = workflow.run("--jobs", "5", "--keep-going", "--hpccompose-partition-config", "partitions.yaml")
    assert run.returncode == 1
    said = (
        ("rule missing: Snakefile:4: there is no compose file none.yaml",),
        ("rule wrong:", "wrong.yaml:2:20 runtime.backend", "Did you mean host?"),
        ("rule unknown:", "right.yaml:2:11", "no service 'b'", "Services there: a"),
        ("rule long:", "partitions.yaml:1:1", "partitions.yaml:2:3", "runtime=100 is more than its max_runtime 10"),
        ("rule needy:", "'vllm', which is no service of the workflow"),
    )
    assert [word for words in said for word in words if word not in run.stdout] == [], run.stdout
    assert workflow.submissions == 0


def test_a_mapping_file_gives_a_rule_its_services(local_workflow: Workflow) -> None:
    """The Snakefile stays as it is."""
    workflow = with_store(local_workflow, "a")
    workflow.write(
        RULES.format(names=["a"], count=1).replace('compose="stacks/store.yaml", compose_main="client", ', "")
    )
    workflow.write(
        """
        rules:
          as*: {compose: ../stacks/store.yaml, main: client}
        """,
        "config/mapping.yaml",
    )
    run = workflow.run("--jobs", "5", "--hpccompose-config", "config/mapping.yaml")
    assert run.returncode == 0, run.stdout
    assert workflow.text("a.txt").split()[0] == "a"


def test_a_wrong_mapping_file_ends_the_run_at_once(local_workflow: Workflow) -> None:
    local_workflow.write("rule all:\n    output: 'x'\n    shell: 'touch {output}'\n")
    local_workflow.write("rules:\n  all: {packs: 3}\n", "mapping.yaml")
    run = local_workflow.run("--jobs", "5", "--hpccompose-config", "mapping.yaml")
    assert run.returncode == 1
    assert "mapping.yaml:2:9 rules.all.packs" in run.stdout
    assert "Did you mean pack?" in run.stdout


def test_an_mpi_rule_has_the_whole_allocation(slurm_workflow: Workflow) -> None:
    """Its own command starts once, and the tasks that its launcher starts are on all nodes."""
    slurm_workflow.write("""
        rule all:
            input: "ranks.txt"
        rule simulate:
            output: "ranks.txt"
            resources: mpi="srun", nodes=2, tasks=4, mem_mb=100, runtime=3
            shell: "echo once >> starts; {resources.mpi} -n {resources.tasks} sh -c 'echo $SLURM_PROCID $SLURMD_NODENAME' > {output}"
        """)
    run = slurm_workflow.run("--jobs", "5")
    assert run.returncode == 0, run.stdout
    lines = sorted(line.split() for line in slurm_workflow.text("ranks.txt").splitlines())
    assert [rank for rank, _ in lines] == ["0", "1", "2", "3"]
    assert len({node for _, node in lines}) == 2
    assert slurm_workflow.text("starts") == "once\n"


def test_a_rule_with_several_tasks_starts_once(workflow: Workflow) -> None:
    workflow.write("""
        rule all:
            output: "starts"
            resources: tasks=2, gpu=0, mem_mb=100, runtime=3
            shell: "echo once >> {output}"
        """)
    run = workflow.run("--jobs", "5")
    assert run.returncode == 0, run.stdout
    assert workflow.text("starts") == "once\n"


def test_a_group_has_the_services_of_its_members(local_workflow: Workflow) -> None:
    """One member alone asks for them, which only the mapping file can say."""
    workflow = with_store(local_workflow, "a")
    workflow.write("""
        rule all:
            input: "sum.txt"
        rule ask:
            output: "a.txt"
            group: "g"
            shell: "python3 ask.py a 1 > {output}"
        rule sum:
            input: "a.txt"
            output: "sum.txt"
            group: "g"
            shell: "cp {input} {output}"
        """)
    workflow.write(
        "runtime: {backend: host}\nservices:\n  store:\n    extends: {file: store.yaml, service: store}\n"
        "    environment: {SET_BY: group, HPCC_WILDCARD_i: none}\n  client: {environment: {GREETING: hi}}\n",
        "stacks/group.yaml",
    )
    workflow.write(STACK.replace("attempt ${HPCC_ATTEMPT} of ${HPCC_WILDCARD_i}", "me"), "stacks/store.yaml")
    workflow.write("rules: {ask: {compose: stacks/group.yaml, main: client}}\n", "mapping.yaml")
    run = workflow.run("--jobs", "5", "--hpccompose-config", "mapping.yaml")
    assert run.returncode == 0, run.stdout
    assert workflow.text("sum.txt").split()[0] == "a"
    assert workflow.submissions == 1
