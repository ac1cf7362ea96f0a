"""What the supervisor gives to the tasks of a service so that they find each other."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from compose_core.supervisor.allocation import expanded_nodes
from compose_core.supervisor.distributed import MASTER_PORTS, reserve_master_port
from tests.core.supervisor.world import World, service

NAMES = ("RANK", "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "NNODES", "MASTER_ADDR", "MASTER_PORT")


def told(log: str) -> dict[str, str]:
    """What `env` printed."""
    return dict(line.split("=", 1) for line in log.splitlines() if "=" in line)


def test_a_step_of_one_task_is_rank_0_of_1(world: World) -> None:
    """Whatever the shell that submitted was."""
    _, job = world.run(service("one", "env"), environment={"RANK": "7", "WORLD_SIZE": "9", "MASTER_ADDR": "else.where"})
    found = told(job.log("one"))
    port = found["MASTER_PORT"]
    assert [found[name] for name in NAMES] == ["0", "0", "0", "1", "1", "1", "127.0.0.1", port]
    assert (found["RDZV_ENDPOINT"], found["RDZV_BACKEND"], found["RDZV_ID"]) == (
        f"127.0.0.1:{port}",
        "c10d",
        "41.one.0.1",
    )
    assert found["HPC_COMPOSE_ONE_PORT_MASTER"] == port
    assert "HPC_COMPOSE_MPI_HOSTFILE" not in found


def test_the_ranks_of_several_tasks_are_left_to_the_tasks(world: World) -> None:
    """A rank that was inherited would be the same for all."""
    _, job = world.run(service("many", "env", ntasks=4), environment={"RANK": "7", "LOCAL_RANK": "7"})
    found = told(job.log("many"))
    assert not {"RANK", "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE"} & set(found)
    assert (found["WORLD_SIZE"], found["NNODES"]) == ("4", "1")
    assert len(Path(found["HPC_COMPOSE_MPI_HOSTFILE"]).read_text().splitlines()) == 1


def test_each_service_has_a_port_of_its_own_and_keeps_it(world: World) -> None:
    """Also over a restart, whose rendezvous has another name."""
    flaky = 'echo "$MASTER_PORT $RDZV_ID" >> seen; [[ $(wc -l < seen) -ge 2 ]]'
    _, job = world.run(
        service("flaky", flaky, policy="restart_on_failure"), service("other", "env"), service("third", "env")
    )
    ports, names = zip(*(line.split() for line in (world.folder / "seen").read_text().splitlines()), strict=True)
    assert len(set(ports)) == 1
    assert names == ("41.flaky.0.1", "41.flaky.0.2")
    assert len({ports[0], told(job.log("other"))["MASTER_PORT"], told(job.log("third"))["MASTER_PORT"]}) == 3
    assert told(job.log("other"))["HPC_COMPOSE_FLAKY_PORT_MASTER"] == ports[0]


def test_a_port_that_is_called_master_is_the_port_where_the_tasks_meet(world: World) -> None:
    """So a readiness may ask there, and `ps` shows it."""
    ready = {"type": "tcp", "host": "@{server.host}", "port": "@{server.port.master}", "timeout_s": 20}
    code, job = world.run(
        service(
            "server",
            'exec python3 -m http.server --bind "$MASTER_ADDR" "$MASTER_PORT"',
            readiness=ready,
            ports=["master"],
            lifecycle="sidecar",
        ),
        service("client", "env", after={"server": "healthy"}),
    )
    assert code == 0
    found = told(job.log("client"))
    assert job.service("server")["ports"] == {"master": int(found["HPC_COMPOSE_SERVER_PORT_MASTER"])}


def test_the_batch_step_is_no_rank(world: World) -> None:
    """It may start steps over the whole allocation, whose tasks have ranks of their own."""
    _, job = world.run(service("batch", "env", launch="batch"))
    assert not {"RANK", "WORLD_SIZE", "MASTER_PORT", "HPC_COMPOSE_BATCH_PORT_MASTER"} & set(told(job.log("batch")))


def test_a_port_that_is_in_use_is_passed_over() -> None:
    """The next one is taken."""
    with reserve_master_port(set(), 4711) as first:
        port = first.getsockname()[1]
        with reserve_master_port(set(), port - MASTER_PORTS.start) as second:
            assert second.getsockname()[1] != port
            assert second.getsockname()[1] in MASTER_PORTS


def test_a_reserved_port_can_be_listened_on_as_soon_as_it_is_given_up() -> None:
    """The service takes it over at once."""
    with reserve_master_port(set(), 4800) as holder:
        port = holder.getsockname()[1]
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


@pytest.mark.parametrize(
    ("nodelist", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10,12],login", ["n08", "n09", "n10", "n12", "login"]),
        ("a,b-[1,3]-ib", ["a", "b-1-ib", "b-3-ib"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-", []),
        ("n[x]", []),
        ("n[1-99999999]", []),
    ],
)
def test_a_node_list_is_read_without_slurm(nodelist: str, names: list[str]) -> None:
    """As `scontrol show hostnames` reads it."""
    assert expanded_nodes(nodelist) == names
