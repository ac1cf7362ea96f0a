"""Nodes, tasks and CPUs: of the allocation, and of each service inside it."""

from __future__ import annotations

from typing import Literal

from compose_core.frozen import Frozen
from compose_core.plan.model import Allocation, Decision, Text, Variable, literal
from compose_core.spec.models import ComposeSpec, JobSlurm, Service, ServiceSlurm
from compose_core.units import parse_memory_mib, parse_slurm_time_s


class StepGeometry(Frozen, kw_only=True):
    """Where a service runs and what it gets of the allocation."""

    placement: Literal["primary_node", "distributed"]
    nodes: int
    ntasks: int
    ntasks_per_node: int | None
    cpus_per_task: Text | None
    """None leaves it to Slurm."""
    owns_cpus: bool
    """The CPUs are the service's own, so thread pools may be sized by them."""
    decisions: tuple[Decision, ...]


def allocation_of(slurm: JobSlurm) -> Allocation:
    """What the job asks for, in numbers."""
    return Allocation(
        nodes=slurm.nodes or 1,
        ntasks=slurm.ntasks,
        ntasks_per_node=slurm.ntasks_per_node,
        cpus_per_task=slurm.cpus_per_task,
        memory_mib=parse_memory_mib(slurm.mem) if slurm.mem is not None else None,
        gpus=_gpus(slurm),
        time_limit_s=parse_slurm_time_s(slurm.time) if slurm.time is not None else None,
    )


def step_geometry(name: str, spec: ComposeSpec, allocation: Allocation) -> StepGeometry:
    """The geometry of one service, every default with its reason."""
    slurm = spec.services[name].x_slurm
    distributed = _is_distributed(spec, slurm, allocation)
    nodes = allocation.nodes if distributed else 1
    key = f"services.{name}.x-slurm"
    decisions = [
        Decision(
            key=f"{key}.nodes",
            value=str(nodes),
            reason=_placement_reason(slurm, allocation, distributed=distributed),
        )
    ]
    ntasks, per_node = _tasks(slurm, allocation, nodes, distributed=distributed)
    cpus, owns, reason = _cpus(name, spec, allocation, tasks_per_node=-(-ntasks // nodes))
    if reason:
        decisions.append(Decision(key=f"{key}.cpus_per_task", value=_shown(cpus), reason=reason))
    return StepGeometry(
        placement="distributed" if distributed else "primary_node",
        nodes=nodes,
        ntasks=ntasks,
        ntasks_per_node=per_node,
        cpus_per_task=cpus,
        owns_cpus=owns,
        decisions=tuple(decisions),
    )


def _is_distributed(spec: ComposeSpec, slurm: ServiceSlurm, allocation: Allocation) -> bool:
    if allocation.nodes == 1:
        return False
    if slurm.nodes is not None:
        return slurm.nodes == allocation.nodes
    return len(spec.services) == 1


def _placement_reason(slurm: ServiceSlurm, allocation: Allocation, *, distributed: bool) -> str:
    if slurm.nodes is not None:
        return "as written"
    if allocation.nodes == 1:
        return "the allocation has one node"
    return "the only service spans the allocation" if distributed else "a helper runs on the primary node"


def _tasks(slurm: ServiceSlurm, allocation: Allocation, nodes: int, *, distributed: bool) -> tuple[int, int | None]:
    """Tasks of the step and, when they are counted per node, how many there."""
    if slurm.ntasks is not None:
        return slurm.ntasks, slurm.ntasks_per_node
    if slurm.ntasks_per_node is not None:
        return slurm.ntasks_per_node * nodes, slurm.ntasks_per_node
    if distributed and allocation.ntasks_per_node is not None:
        return allocation.ntasks_per_node * nodes, allocation.ntasks_per_node
    if distributed and allocation.ntasks is not None:
        return allocation.ntasks, None
    return nodes, None


def _cpus(
    name: str, spec: ComposeSpec, allocation: Allocation, *, tasks_per_node: int
) -> tuple[Text | None, bool, str]:
    """CPUs per task, whether they are the service's own, and why; steps overlap, so shares are never enforced against each other."""
    service = spec.services[name]
    if service.x_slurm.cpus_per_task is not None:
        return literal(str(service.x_slurm.cpus_per_task)), True, ""
    if service.x_slurm.cpus_per_gpu is not None or spec.x_slurm.cpus_per_gpu is not None:
        return None, False, "CPUs follow the GPUs"
    available = allocation.cpus_per_node
    sharing = [other for other in spec.services.values() if _is_main(other) and other.x_slurm.cpus_per_task is None]
    if _is_main(service) and len(sharing) > 1 and available is not None:
        share = max(1, (available - _reserved(spec)) // len(sharing) // tasks_per_node)
        return (
            literal(str(share)),
            True,
            f"an equal share of {available} CPUs among {len(sharing)} main services without a request",
        )
    owns = _is_main(service) and len(sharing) == 1
    why = (
        "the only main service without a request gets" if owns else "steps overlap: a service without a request may use"
    )
    if available is not None:
        count = max(1, (available - (_reserved(spec) if owns else 0)) // tasks_per_node)
        return literal(str(count)), owns, f"{why} the CPUs of the allocation"
    if tasks_per_node == 1:
        return (Variable("SLURM_CPUS_ON_NODE"),), owns, f"{why} all CPUs that Slurm grants on the node"
    return (
        None,
        False,
        "Slurm's default of one CPU a task: the allocation's CPUs are not known, set x-slurm.cpus_per_task",
    )


def _reserved(spec: ComposeSpec) -> int:
    """CPUs on a node that main services asked for by themselves."""
    total = 0
    for service in spec.services.values():
        if _is_main(service) and service.x_slurm.cpus_per_task is not None:
            total += service.x_slurm.cpus_per_task * (service.x_slurm.ntasks_per_node or 1)
    return total


def _is_main(service: Service) -> bool:
    return service.x_slurm.lifecycle == "main"


def _gpus(slurm: JobSlurm) -> str | None:
    if slurm.gres is not None:
        return slurm.gres
    for count, unit in ((slurm.gpus, ""), (slurm.gpus_per_node, " a node"), (slurm.gpus_per_task, " a task")):
        if count is not None:
            return f"{count}{unit}"
    return None


def _shown(text: Text | None) -> str:
    if text is None:
        return "Slurm's default"
    return "".join(part.name if isinstance(part, Variable) else part.text for part in text)
