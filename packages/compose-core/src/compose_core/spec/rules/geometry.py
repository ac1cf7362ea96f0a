"""Nodes, tasks, CPUs and GPUs: of the allocation, and of the services inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.models import JobSlurm, Service, ServiceSlurm
from compose_core.spec.rules.look import Look

_GPU_GRES = re.compile(r"(?:gres:)?gpu(?::[A-Za-z_][A-Za-z0-9_.-]*)?(?::(?P<count>[0-9]+))?(?:\(.*\))?")


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


def services_fit_the_allocation(look: Look) -> Iterator[Problem]:
    """No step asks for more tasks, CPUs or GPUs than the job has; what the job leaves to Slurm is not judged."""
    job = look.spec.x_slurm
    tasks, cpus, gpus = _tasks(job), _cpus(job), _gpus(job, look.nodes)
    for name, service in look.spec.services.items():
        step = service.x_slurm
        nodes = look.nodes if look.is_distributed(service) else 1
        wanted_tasks = _step_tasks(step, nodes)
        if tasks is not None and step.ntasks is not None and step.ntasks > tasks:
            yield _too_much(look, name, "ntasks", f"{step.ntasks} tasks", f"{tasks}")
        if (
            cpus is not None
            and step.cpus_per_task is not None
            and (all_cpus := step.cpus_per_task * wanted_tasks) > cpus
        ):
            yield _too_much(look, name, "cpus_per_task", f"{all_cpus} CPUs", f"{cpus}")
        key, wanted_gpus = _step_gpus(step, nodes, wanted_tasks)
        if gpus is not None and wanted_gpus > gpus:
            yield _too_much(look, name, key, f"{wanted_gpus} GPUs", f"{gpus or 'none'}")


def _too_much(look: Look, name: str, key: str, wanted: str, available: str) -> Problem:
    message = f"service '{name}' asks for {wanted}; the allocation has {available}"
    remedy = "Ask for more in the top-level x-slurm, or for less here."
    return look.error("exceeds-allocation", message, ("services", name, "x-slurm", key), remedy)


def _tasks(job: JobSlurm) -> int | None:
    if job.ntasks is not None:
        return job.ntasks
    return job.ntasks_per_node * (job.nodes or 1) if job.ntasks_per_node is not None else None


def _cpus(job: JobSlurm) -> int | None:
    """CPUs of the allocation as far as the file says: without counts of tasks, one task a node."""
    if job.cpus_per_task is None:
        return None
    return job.cpus_per_task * (_tasks(job) or job.nodes or 1)


def _gpus(job: JobSlurm, nodes: int) -> int | None:
    """GPUs of the allocation; None when raw arguments may ask for some that are not seen here."""
    if any(re.match(r"-G|--gpus|--gres|--tres", argument) for argument in job.submit_args):
        return None
    if job.gres is not None:
        return _gres_gpus(job.gres) * nodes
    if job.gpus is not None:
        return job.gpus
    if job.gpus_per_node is not None:
        return job.gpus_per_node * nodes
    if job.gpus_per_task is not None:
        return job.gpus_per_task * (_tasks(job) or nodes)
    return 0


def _gres_gpus(gres: str) -> int:
    matches = [_GPU_GRES.fullmatch(item.strip()) for item in gres.split(",")]
    return sum(int(match["count"] or 1) for match in matches if match)


def _step_tasks(step: ServiceSlurm, nodes: int) -> int:
    if step.ntasks is not None:
        return step.ntasks
    return (step.ntasks_per_node or 1) * nodes


def _step_gpus(step: ServiceSlurm, nodes: int, tasks: int) -> tuple[str, int]:
    """The key that asks for GPUs, and how many in all."""
    if step.gres is not None:
        return "gres", _gres_gpus(step.gres) * nodes
    if step.gpus is not None:
        return "gpus", step.gpus
    if step.gpus_per_node is not None:
        return "gpus_per_node", step.gpus_per_node * nodes
    return "gpus_per_task", (step.gpus_per_task or 0) * tasks


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
    if step.ntasks is None and step.ntasks_per_node is None and distributed and (tasks := _tasks(job)) is not None:
        return tasks
    return _step_tasks(step, look.nodes if distributed else 1)


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
    services_fit_the_allocation,
    ranks_are_as_expected,
    gres_wins_over_gpus,
)
