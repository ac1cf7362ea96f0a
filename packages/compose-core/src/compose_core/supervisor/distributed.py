"""What the tasks of a service need to find each other: an address, a port, their number, a hostfile."""

import os
import socket
from typing import Dict, List, Set

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.files import JobFolder, write_all
from compose_core.supervisor.host import reserve_port
from compose_core.supervisor.service import MASTER_PORT_NAME, Service

MASTER_PORTS = range(20000, 30000)
"""Below what Linux gives to outgoing connections, so that none of them takes the port between reservation and use."""
PER_TASK = ("RANK", "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE")
"""What differs from task to task: of a step with several, each task sets them itself when it starts."""


def reserve_master_port(taken: Set[int], number: int) -> socket.socket:
    """A socket that holds a port which is free now and not yet promised in this job; `number` says where to look first."""
    for step in range(len(MASTER_PORTS)):
        port = MASTER_PORTS[(number + step) % len(MASTER_PORTS)]
        if port in taken:
            continue
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.bind(("", port))
        except OSError:
            holder.close()
            continue
        taken.add(port)
        return holder
    return reserve_port(taken)


def reserve_ports(services: List[Service], job_id: str) -> None:
    """Every port that the file asks for, and the MASTER_PORT of every step, held until the service is launched."""
    taken: Set[int] = set()
    first = int("".join(filter(str.isdigit, job_id)) or "0") * 16
    for service in services:
        for name in service.port_names:
            is_master = name == MASTER_PORT_NAME
            service.port_holders.append(
                reserve_master_port(taken, first + service.index) if is_master else reserve_port(taken)
            )
            service.ports[name] = service.port_holders[-1].getsockname()[1]
        if service.launch != "srun":
            continue
        service.master_port = service.ports.get(MASTER_PORT_NAME, 0)
        if not service.master_port:
            service.port_holders.append(reserve_master_port(taken, first + service.index))
            service.master_port = service.port_holders[-1].getsockname()[1]


def has_hostfile(service: Service) -> bool:
    """Its tasks may be started by something that asks for one."""
    return service.launch == "srun" and (service.task_count > 1 or service.mpi is not None)


def hostfile_lines(service: Service, allocation: Allocation) -> List[str]:
    """`node slots=tasks`, one a node; tasks that do not divide evenly go to the first nodes, as Slurm deals them."""
    nodes = allocation.nodes if service.is_distributed else [allocation.primary]
    each, more = divmod(service.task_count, len(nodes))
    return ["{} slots={}".format(node, each + (position < more)) for position, node in enumerate(nodes)]


def write_allocation(folder: JobFolder, allocation: Allocation, services: List[Service]) -> None:
    """`allocation/`: the nodes, and a hostfile for each service with several tasks or MPI.

    Raises: OSError, Refused: it cannot be written.
    """
    files = {"primary_node": [allocation.primary], "nodes.txt": allocation.nodes}
    for name, lines in files.items():
        _write_lines(folder, "allocation", name, lines)
    for service in services:
        if has_hostfile(service):
            lines = hostfile_lines(service, allocation)
            _write_lines(folder, os.path.join("allocation", "hostfiles"), service.token + ".txt", lines)


def _write_lines(folder: JobFolder, below: str, name: str, lines: List[str]) -> None:
    descriptor = folder.open(below, name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(descriptor, "".join(line + "\n" for line in lines).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_distributed(environment: Dict[str, str], service: Service, host: str, job_path: str, run: str) -> None:
    """Add to a step's environment what its tasks need to find each other; `run` names this start of the service."""
    for name in PER_TASK:
        environment.pop(name, None)  # one that was set where the job was submitted is about something else
    environment.update(
        MASTER_ADDR=host,
        MASTER_PORT=str(service.master_port),
        RDZV_BACKEND="c10d",
        RDZV_ENDPOINT="{}:{}".format(host, service.master_port),
        RDZV_ID=run,
        WORLD_SIZE=str(service.task_count),
        NNODES=str(service.node_count),
    )
    if service.task_count == 1:
        environment.update(RANK="0", LOCAL_RANK="0", NODE_RANK="0", LOCAL_WORLD_SIZE="1")
    if has_hostfile(service):
        path = os.path.join(job_path, "allocation", "hostfiles", service.token + ".txt")
        environment["HPC_COMPOSE_MPI_HOSTFILE"] = path
