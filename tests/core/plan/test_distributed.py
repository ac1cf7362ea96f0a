"""What stands in the plan of a step whose tasks have to find each other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from compose_core.plan import PlanContext
from compose_core.plan.model import PlannedStep, shown
from tests.core.plan.test_build import plan_of, refused

PER_TASK = ("RANK", "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE")


def step_of(folder: Path, text: str) -> PlannedStep:
    """The step of the first service."""
    return plan_of(folder, text).steps[0]


def ranks(step: PlannedStep, shell: str = "/bin/sh", **environment: str) -> list[str]:
    """What a task finds that Slurm started with these variables."""
    words = [shown(word) for word in step.argv]
    assert words[0] == "/bin/sh"
    tell = ["env", "-0"]
    start = words[: words.index("task") + 1]
    done = subprocess.run([shell, *start[1:], *tell], env=environment, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert not {"node", "count", "times", "part", "IFS"} & (set(found) - set(environment))
    return [found[name] for name in PER_TASK]


def task(rank: int, local: int, node: int, tasks: str) -> dict[str, str]:
    """Slurm's variables of one task."""
    numbers = {"SLURM_PROCID": rank, "SLURM_LOCALID": local, "SLURM_NODEID": node}
    path = os.environ["PATH"]
    return {**{name: str(value) for name, value in numbers.items()}, "SLURM_STEP_TASKS_PER_NODE": tasks, "PATH": path}


def test_one_task_starts_as_it_is(tmp_path: Path) -> None:
    """The supervisor knows all there is to know about it."""
    step = step_of(tmp_path, "{runtime: {backend: host}, services: {app: {command: [train, --fast]}}}")
    assert [shown(word) for word in step.argv] == ["train", "--fast"]


def test_each_of_several_tasks_takes_its_ranks_from_slurm(tmp_path: Path) -> None:
    """Two on each of three nodes."""
    step = step_of(
        tmp_path,
        "{runtime: {backend: host}, x-slurm: {nodes: 3, ntasks_per_node: 2}, services: {app: {command: [train]}}}",
    )
    assert shown(step.argv[-1]) == "train"
    assert ranks(step, **task(3, 1, 1, "2(x3)")) == ["3", "1", "1", "2"]


@pytest.mark.parametrize("shell", ["/bin/sh", "bash", "dash", "busybox"])
@pytest.mark.parametrize(
    ("tasks", "expected"),
    [("5", "5"), ("2,1(x3)", "2111"), ("3(x2),1", "331"), ("2(x10),10", "2" * 10 + "10"), ("12(x2)", "1212")],
)
def test_the_tasks_of_a_node_are_counted_from_what_slurm_dealt(
    tmp_path: Path, shell: str, tasks: str, expected: str
) -> None:
    """In every shell that a node or an image may have."""
    if subprocess.run(["which", shell], capture_output=True, check=False).returncode:
        pytest.skip(f"no {shell} here")
    step = step_of(
        tmp_path, "{runtime: {backend: host}, x-slurm: {nodes: 4, ntasks: 5}, services: {app: {command: [train]}}}"
    )
    names = [shell, "sh"] if shell == "busybox" else [shell]
    found = ""
    for node in range(len(expected) if tasks != "2(x10),10" else 11):
        words = [shown(word) for word in step.argv][1:-1]
        command = [*names, *words, "/bin/sh", "-c", 'printf %s "$LOCAL_WORLD_SIZE"']
        environment = {**task(0, 0, node, tasks), "node": "mine"}
        found += subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        if found == expected:
            break
    assert found == expected


def test_a_rank_of_the_user_is_left_alone(tmp_path: Path) -> None:
    """`environment` wins, and is no shell syntax."""
    step = step_of(tmp_path, "{runtime: {backend: host}, services: {app: {command: [train], x-slurm: {ntasks: 2}}}}")
    evil = "$(touch ran); 'x' *"
    found = ranks(step, **task(1, 1, 0, "2"), RANK=evil, node="mine")
    assert found == [evil, "1", "0", "2"]
    assert not list(tmp_path.glob("ran"))


def test_an_endpoint_follows_the_users_port(tmp_path: Path) -> None:
    """Unless the user says that, too."""
    text = "{runtime: {backend: host}, services: {app: {command: [train], environment: {%s}}}}"
    entries = {entry.name: shown(entry.value) for entry in step_of(tmp_path, text % "MASTER_PORT: 29500").environment}
    assert entries["RDZV_ENDPOINT"] == "${MASTER_ADDR}:${MASTER_PORT}"
    both = step_of(tmp_path, text % "MASTER_PORT: 29500, RDZV_ENDPOINT: here").environment
    assert [shown(entry.value) for entry in both if entry.name == "RDZV_ENDPOINT"] == ["here"]


@pytest.mark.parametrize("backend", ["pyxis", "enroot", "apptainer"])
def test_paths_are_those_of_the_container(tmp_path: Path, backend: str) -> None:
    """The job folder is mounted at a fixed place."""
    image = "./a.sif" if backend == "apptainer" else "./a.sqsh"
    app = f"{{image: {image}, command: [x], x-slurm: {{ntasks: 2}}}}"
    step = step_of(tmp_path, f"{{runtime: {{backend: {backend}}}, services: {{app: {app}}}}}")
    entries = {entry.name: shown(entry.value) for entry in step.environment}
    assert entries["HPC_COMPOSE_NODELIST_FILE"] == "/hpc-compose/job/allocation/nodes.txt"
    assert entries["HPC_COMPOSE_MPI_HOSTFILE"] == "/hpc-compose/job/allocation/hostfiles/app.txt"


def test_enroot_gets_every_variable_by_name(tmp_path: Path) -> None:
    """It passes on nothing else; the ranks are set outside of the container."""
    step = step_of(
        tmp_path,
        """
        runtime: {backend: enroot}
        services: {app: {image: ./a.sqsh, command: [x], x-slurm: {ntasks: 2, ports: [http]}}}
        """,
    )
    words = [shown(word) for word in step.argv]
    assert words.index("task") < words.index("enroot")
    given = {words[position + 1] for position, word in enumerate(words) if word == "--env"}
    assert {"MASTER_ADDR", "RANK", "HPC_COMPOSE_PRIMARY_NODE", "SLURM_PROCID", "HPC_COMPOSE_APP_URL_HTTP"} <= given


def test_mpi_is_an_option_of_srun(tmp_path: Path) -> None:
    """And stands in the plan."""
    step = step_of(
        tmp_path, "{runtime: {backend: host}, services: {app: {command: [x], x-slurm: {mpi: {type: pmix}}}}}"
    )
    assert step.mpi == "pmix"
    assert "--mpi=pmix" in [shown(option) for option in step.srun_options]


def test_the_local_engine_wires_up_no_mpi(tmp_path: Path) -> None:
    """Each task would be rank 0 of 1, without a word."""
    text = "{runtime: {backend: host}, services: {app: {command: [x], x-slurm: {ntasks: %d, mpi: {type: pmix}}}}}"
    local = PlanContext(engine="local", home="/home/me", container_backends=())
    assert "local-engine-mpi" in "".join(refused(tmp_path, text % 2, local))
    assert plan_of(tmp_path, text % 1, local).steps[0].mpi == "pmix"


def test_the_port_where_tasks_meet_can_be_named(tmp_path: Path) -> None:
    """Without being declared; a batch service has none."""
    text = """
        runtime: {backend: host}
        services:
          app: {command: [x, "@{other.host}:@{other.port.master}"]}
          other: {command: [y]%s}
    """
    assert shown(step_of(tmp_path, text % "").argv[1]) == "${HPC_COMPOSE_OTHER_HOST}:${HPC_COMPOSE_OTHER_PORT_MASTER}"
    assert "undefined-port" in refused(tmp_path, text % ", x-slurm: {launch: batch}")[0]
