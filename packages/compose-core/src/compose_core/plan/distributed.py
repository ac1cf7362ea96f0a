"""What the tasks of a step need to find each other, as far as the plan says it.

The supervisor sets what is the same for all tasks (MASTER_ADDR, WORLD_SIZE …). What differs from task to task is known on its node only:
a step of several tasks starts each of them through a few fixed lines of shell, which take it from Slurm's variables. Pyxis and Enroot start
a shell in every container anyway, and on the other backends the lines run outside of it, so no image has to bring more than before.
Source: srun(1) of Slurm 22.05, OUTPUT ENVIRONMENT VARIABLES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose_core.plan.geometry import StepGeometry
from compose_core.plan.model import Backend, EnvironmentEntry, Literally, Text, Variable, literal
from compose_core.plan.text import JOB_MOUNT, host_variable, port_variable, url_variable
from compose_core.spec.models import MASTER_PORT_NAME, Service, ServiceSlurm

SAME_FOR_ALL = ("MASTER_ADDR", "MASTER_PORT", "RDZV_BACKEND", "RDZV_ENDPOINT", "RDZV_ID", "WORLD_SIZE", "NNODES")
PER_TASK = ("RANK", "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE")
ALLOCATION = (
    "HPC_COMPOSE_JOB_ID",
    "HPC_COMPOSE_SERVICE_NAME",
    "HPC_COMPOSE_ATTEMPT",
    "HPC_COMPOSE_IS_RESUME",
    "HPC_COMPOSE_PRIMARY_NODE",
    "HPC_COMPOSE_NODE_COUNT",
    "HPC_COMPOSE_NODELIST",
)
"""What the supervisor says about the job, apart from paths, which differ in a container."""
SLURM_TASK = ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_NNODES", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
ARRAY = tuple(
    f"{prefix}_{name}"
    for prefix in ("HPC_COMPOSE", "SLURM")
    for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "ARRAY_TASK_COUNT")
)
"""Which task of an array it is."""

_RANKS = """\
: "${RANK=$SLURM_PROCID}" "${LOCAL_RANK=$SLURM_LOCALID}" "${NODE_RANK=$SLURM_NODEID}"
: "${LOCAL_WORLD_SIZE=%s}"
export RANK LOCAL_RANK NODE_RANK LOCAL_WORLD_SIZE
exec "$@\""""
"""Each is set unless the service's `environment` has set it."""
_COUNT = """\
tasks_here() (
  IFS=, node=$SLURM_NODEID
  for part in $SLURM_STEP_TASKS_PER_NODE; do
    count=${part%%"("*} times=${part#*x}
    [ "$times" != "$part" ] && times=${times%")"} || times=1
    [ "$node" -ge "$times" ] || break
    node=$((node - times))
  done
  echo "$count"
)"""
"""`2,1(x3)` is two tasks on the first node and one on each of three more. A function in a subshell leaves no variable behind."""


def task_start(service: Service, geometry: StepGeometry) -> tuple[Text, ...]:
    """What stands before the program of a step with several tasks; nothing before that of one task."""
    if geometry.ntasks == 1 or service.x_slurm.launch == "batch":
        return ()
    each = tasks_on_each_node(geometry)
    ranks = _RANKS % (each or "$(tasks_here)")
    text = ranks if each else f"{_COUNT}\n{ranks}"
    return tuple(map(literal, ("/bin/sh", "-c", text, "task")))


def tasks_on_each_node(geometry: StepGeometry) -> int | None:
    """How many tasks every node of the step has; None when Slurm deals them out."""
    if geometry.nodes == 1:
        return geometry.ntasks
    per_node = geometry.ntasks_per_node
    return per_node if per_node is not None and per_node * geometry.nodes == geometry.ntasks else None


def has_hostfile(slurm: ServiceSlurm, geometry: StepGeometry) -> bool:
    """The supervisor writes a hostfile for this step."""
    return slurm.launch == "srun" and (geometry.ntasks > 1 or slurm.mpi is not None)


def distributed_environment(
    service: Service, token: str, backend: Backend, geometry: StepGeometry
) -> tuple[EnvironmentEntry, ...]:
    """Paths as a container sees them, and an endpoint that agrees with an address or port of the user's own."""
    entries = []
    if backend != "host":
        entries.append(_in_container("HPC_COMPOSE_NODELIST_FILE", "nodes.txt"))
        if has_hostfile(service.x_slurm, geometry):
            entries.append(_in_container("HPC_COMPOSE_MPI_HOSTFILE", f"hostfiles/{token}.txt"))
    own = service.environment
    if ("MASTER_ADDR" in own or "MASTER_PORT" in own) and "RDZV_ENDPOINT" not in own:
        endpoint: Text = (Variable("MASTER_ADDR"), Literally(":"), Variable("MASTER_PORT"))
        entries.append(EnvironmentEntry(name="RDZV_ENDPOINT", value=endpoint, reason="as MASTER_ADDR and MASTER_PORT"))
    return tuple(entries)


def passed_on(
    services: Mapping[str, Service], name: str, backend: Backend, geometry: StepGeometry, *, is_array: bool = False
) -> tuple[str, ...]:
    """Variables of the supervisor that a container has to be given by name.

    Pyxis passes on all variables but lets the image's win, which may be about an address or a rank; Enroot passes on none.
    """
    if services[name].x_slurm.launch == "batch" or backend not in ("pyxis", "enroot"):
        return ()
    if backend == "pyxis":  # the ranks are set inside of the container
        return SAME_FOR_ALL if geometry.ntasks > 1 else ()
    places = (variable for other, service in services.items() for variable in _place_variables(other, service))
    return (*SAME_FOR_ALL, *PER_TASK, *ALLOCATION, *SLURM_TASK, *(ARRAY if is_array else ()), *places)


def _place_variables(name: str, service: Service) -> Iterator[str]:
    yield host_variable(name)
    ports = service.x_slurm.ports
    if service.x_slurm.launch == "srun" and MASTER_PORT_NAME not in ports:
        yield port_variable(name, MASTER_PORT_NAME)
    for port in ports:
        yield port_variable(name, port)
        yield url_variable(name, port)


def _in_container(name: str, file: str) -> EnvironmentEntry:
    return EnvironmentEntry(
        name=name, value=literal(f"{JOB_MOUNT}/allocation/{file}"), reason="where the job folder is mounted"
    )
