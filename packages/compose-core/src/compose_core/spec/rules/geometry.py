"""Which nodes a service runs on, and requests that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.models import JobSlurm, Service, ServiceSlurm
from compose_core.spec.rules.look import Look
from compose_core.spec.rules.step_size import job_tasks, step_tasks


def nodes_are_one_or_all(look: Look) -> Iterator[Problem]:
    """A service runs on the primary node, or is the one that spans the allocation."""
    for name, service in look.spec.services.items():
        nodes = service.x_slurm.nodes
        if nodes is None or nodes in (1, look.nodes):
            continue
        path = ("services", name, "x-slurm", "nodes")
        if nodes > look.nodes:
            message = f"service '{name}' asks for {nodes} nodes; the allocation has {look.nodes}"
            yield look.error("exceeds-allocation", message, path, f"Set the top-level `x-slurm: {{nodes: {nodes}}}`.")
        else:
            message = f"service '{name}' asks for {nodes} of {look.nodes} nodes; 1 or all {look.nodes} are possible"
            yield look.error("partial-nodes", message, path, "Write 1, or the number of nodes of the allocation.")


def one_service_is_distributed(look: Look) -> Iterator[Problem]:
    """At most one service spans several nodes."""
    wide = [name for name, service in look.spec.services.items() if look.is_distributed(service)]
    for name in wide[1:]:
        message = f"services '{wide[0]}' and '{name}' both span all {look.nodes} nodes; one service may"
        yield look.error(
            "two-distributed",
            message,
            ("services", name, "x-slurm", "nodes"),
            "Let one of them run on the primary node.",
        )


def ranks_are_as_expected(look: Look) -> Iterator[Problem]:
    """`mpi.expected_ranks` is what the step will start."""
    for name, service in look.spec.services.items():
        mpi = service.x_slurm.mpi
        if mpi is None or mpi.expected_ranks is None:
            continue
        tasks = _all_tasks(look, service)
        if mpi.expected_ranks != tasks:
            message = f"service '{name}' expects {mpi.expected_ranks} ranks; its step has {tasks} tasks"
            path = ("services", name, "x-slurm", "mpi", "expected_ranks")
            yield look.error("mpi-ranks", message, path, f"Set `ntasks: {mpi.expected_ranks}`, or correct the number.")


def _all_tasks(look: Look, service: Service) -> int:
    step, job = service.x_slurm, look.spec.x_slurm
    distributed = look.is_distributed(service)
    if step.ntasks is None and step.ntasks_per_node is None and distributed and (tasks := job_tasks(job)) is not None:
        return tasks
    return step_tasks(step, look.nodes if distributed else 1)


def gres_wins_over_gpus(look: Look) -> Iterator[Problem]:
    """Both at one level: `gpus` has no effect."""
    levels: list[tuple[tuple[str, ...], JobSlurm | ServiceSlurm]] = [(("x-slurm",), look.spec.x_slurm)]
    levels += [(("services", name, "x-slurm"), service.x_slurm) for name, service in look.spec.services.items()]
    for path, slurm in levels:
        if slurm.gres is not None and slurm.gpus is not None:
            message = "`gres` and `gpus` are both given; `gres` wins and `gpus` is ignored"
            yield look.warning("gres-and-gpus", message, (*path, "gpus"), "Keep one of them.")
        for one, other in (("cpus_per_task", "cpus_per_gpu"), ("mem", "mem_per_gpu")):
            if getattr(slurm, one) is not None and getattr(slurm, other) is not None:
                message = f"`{one}` and `{other}` exclude each other in Slurm"
                yield look.error("exclusive-requests", message, (*path, other), "Keep one of them.")


RULES = (
    nodes_are_one_or_all,
    one_service_is_distributed,
    ranks_are_as_expected,
    gres_wins_over_gpus,
)
