"""No step asks for more than its job has; what the job leaves to Slurm is not judged.

Steps overlap, so each service is held against the whole allocation, not against what the others leave.
Source: srun(1) and sbatch(1) of Slurm 22.05, tried on a cluster of that release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from compose_core.errors import Problem
from compose_core.spec.models import JobSlurm, ServiceSlurm
from compose_core.spec.rules.look import Look
from compose_core.units import format_memory, parse_memory_mib

_GPU_GRES = re.compile(r"(?:gres:)?gpu(?::[A-Za-z_][A-Za-z0-9_.-]*)?(?::(?P<count>[0-9]+))?(?:\(.*\))?")
_RAW_GPUS = re.compile(r"-G|--gpus|--gres|--tres")
_RAW_CPUS = re.compile(r"-c|-n|--cpus|--ntasks|--exclusive|--mincpus|--tres")
_RAW_MEMORY = re.compile(r"--mem|--tres")


class _Has(NamedTuple):
    """What the job has, in all or on one of its nodes at most; None: the file does not say."""

    tasks: int | None
    """Only where the CPUs of a task are not written: then each task has its share of CPUs, and more tasks find none."""
    cpus: int | None
    gpus: int | None
    memory_mib: int | None = None


class _Wants(NamedTuple):
    """What a step asks for, in all or on one of its nodes."""

    tasks: int
    cpus: int
    gpus: int
    memory_mib: int = 0


def services_fit_the_allocation(look: Look) -> Iterator[Problem]:
    """No more tasks, CPUs, GPUs or memory than the job has in all, and on a node."""
    job = look.spec.x_slurm
    has, room = _in_all(job, look.nodes), _on_a_node(job, look.nodes)
    for name, service in look.spec.services.items():
        step = service.x_slurm
        if step.launch != "srun":
            continue
        nodes = look.nodes if look.is_distributed(service) else 1
        whole = _wanted(step, nodes)
        there = _wanted_on_a_node(step, nodes, whole, gpus_there=room.gpus or 0)
        keys = _keys(step)
        for field, noun in (("tasks", " tasks"), ("cpus", " CPUs"), ("gpus", " GPUs"), ("memory_mib", "")):
            for wants, available, place in ((whole, has, ""), (there, room, " on a node")):
                wanted, limit = getattr(wants, field), getattr(available, field)
                if limit is not None and wanted > limit:
                    said = format_memory if field == "memory_mib" else str
                    message = f"service '{name}' asks for {said(wanted)}{noun}{place}; the allocation has "
                    message += said(limit) if limit else "none"
                    remedy = "Ask for more in the top-level x-slurm, or for less here."
                    yield look.error("exceeds-allocation", message, ("services", name, "x-slurm", keys[field]), remedy)
                    break


def _in_all(job: JobSlurm, nodes: int) -> _Has:
    tasks, raw = job_tasks(job), _raw(job, _RAW_CPUS)
    cpus = job.cpus_per_task * (tasks or nodes) if job.cpus_per_task is not None and not raw else None
    return _Has(tasks if cpus is None and not raw else None, cpus, _gpus(job, nodes))


def _on_a_node(job: JobSlurm, nodes: int) -> _Has:
    """Where tasks or GPUs are dealt out by Slurm, one node may get all that the others need not have."""
    raw = _raw(job, _RAW_CPUS)
    counted = job.ntasks_per_node or (job.ntasks - nodes + 1 if job.ntasks is not None else None)
    tasks = max(1, counted) if counted is not None else None
    cpus = job.cpus_per_task * (tasks or 1) if job.cpus_per_task is not None and not raw else None
    gpus = _gpus_on_a_node(job, nodes, tasks or 1)
    if gpus and job.cpus_per_gpu is not None and not raw:
        cpus = max(job.cpus_per_gpu * gpus, tasks or 1)
    return _Has(tasks if cpus is None and not raw else None, cpus, gpus, _memory_on_a_node(job, gpus))


def _gpus_on_a_node(job: JobSlurm, nodes: int, tasks: int) -> int | None:
    if _raw(job, _RAW_GPUS):
        return None
    if job.gres is not None:
        return _gres_gpus(job.gres)
    if job.gpus_per_node is not None:
        return job.gpus_per_node
    if job.gpus is not None:
        return max(0, job.gpus - nodes + 1)
    return job.gpus_per_task * tasks if job.gpus_per_task is not None else 0


def _memory_on_a_node(job: JobSlurm, gpus: int | None) -> int | None:
    if _raw(job, _RAW_MEMORY):
        return None
    if job.mem is not None:
        return parse_memory_mib(job.mem) or None
    return parse_memory_mib(job.mem_per_gpu) * gpus if job.mem_per_gpu is not None and gpus else None


def _raw(job: JobSlurm, options: re.Pattern[str]) -> bool:
    """Raw arguments may ask for some that is not seen here."""
    return any(options.match(argument) for argument in job.submit_args)


def _gpus(job: JobSlurm, nodes: int) -> int | None:
    if _raw(job, _RAW_GPUS):
        return None
    if job.gres is not None:
        return _gres_gpus(job.gres) * nodes
    if job.gpus is not None:
        return job.gpus
    if job.gpus_per_node is not None:
        return job.gpus_per_node * nodes
    return job.gpus_per_task * (job_tasks(job) or nodes) if job.gpus_per_task is not None else 0


def _gres_gpus(gres: str) -> int:
    matches = [_GPU_GRES.fullmatch(item.strip()) for item in gres.split(",")]
    return sum(int(match["count"] or 1) for match in matches if match)


def _wanted(step: ServiceSlurm, nodes: int) -> _Wants:
    tasks = step_tasks(step, nodes)
    if step.gres is not None:
        gpus = _gres_gpus(step.gres) * nodes
    elif step.gpus is not None:
        gpus = step.gpus
    elif step.gpus_per_node is not None:
        gpus = step.gpus_per_node * nodes
    else:
        gpus = (step.gpus_per_task or 0) * tasks
    return _Wants(_asked_tasks(step, tasks), _asked_cpus(step, tasks, gpus), gpus)


def _wanted_on_a_node(step: ServiceSlurm, nodes: int, whole: _Wants, *, gpus_there: int) -> _Wants:
    tasks = -(-step_tasks(step, nodes) // nodes)
    gpus = -(-whole.gpus // nodes)
    memory = parse_memory_mib(step.mem) if step.mem is not None else 0
    if step.mem_per_gpu is not None:
        memory = parse_memory_mib(step.mem_per_gpu) * (gpus or gpus_there)
    return _Wants(_asked_tasks(step, tasks), _asked_cpus(step, tasks, gpus or gpus_there), gpus, memory)


def _asked_tasks(step: ServiceSlurm, tasks: int) -> int:
    """A step that does not count its tasks has as many as fit."""
    return tasks if step.ntasks is not None or step.ntasks_per_node is not None else 0


def _asked_cpus(step: ServiceSlurm, tasks: int, gpus: int) -> int:
    if step.cpus_per_gpu is not None:
        return step.cpus_per_gpu * gpus
    return tasks * step.cpus_per_task if step.cpus_per_task is not None else _asked_tasks(step, tasks)


def _keys(step: ServiceSlurm) -> dict[str, str]:
    """The key that each request stands in."""
    tasks = "ntasks" if step.ntasks is not None else "ntasks_per_node"
    cpus = next((key for key in ("cpus_per_gpu", "cpus_per_task") if getattr(step, key) is not None), tasks)
    gpus = next((key for key in ("gres", "gpus", "gpus_per_node") if getattr(step, key) is not None), "gpus_per_task")
    return {"tasks": tasks, "cpus": cpus, "gpus": gpus, "memory_mib": "mem_per_gpu" if step.mem_per_gpu else "mem"}


def job_tasks(job: JobSlurm) -> int | None:
    """Tasks of the allocation; None when they are not counted."""
    if job.ntasks is not None:
        return job.ntasks
    return job.ntasks_per_node * (job.nodes or 1) if job.ntasks_per_node is not None else None


def step_tasks(step: ServiceSlurm, nodes: int) -> int:
    """Tasks of the step by its own keys."""
    if step.ntasks is not None:
        return step.ntasks
    return (step.ntasks_per_node or 1) * nodes


def tasks_need_cpus(look: Look) -> Iterator[Problem]:
    """A job that counts neither tasks nor CPUs gets one CPU on each node, unless the site hands out whole nodes."""
    job = look.spec.x_slurm
    counts = (job.ntasks, job.ntasks_per_node, job.cpus_per_task, job.cpus_per_gpu)
    if any(count is not None for count in counts) or _raw(job, _RAW_CPUS):
        return
    for name, service in look.spec.services.items():
        step = service.x_slurm
        nodes = look.nodes if look.is_distributed(service) else 1
        tasks = -(-step_tasks(step, nodes) // nodes)
        if step.launch == "srun" and tasks > 1:
            message = (
                f"service '{name}' starts {tasks} tasks on a node, but the job asks for no CPUs: Slurm may give it one"
            )
            remedy = f"Set the top-level `x-slurm: {{ntasks_per_node: {tasks}}}`."
            path = ("services", name, "x-slurm", _keys(step)["tasks"])
            yield look.warning("no-cpus-for-tasks", message, path, remedy)


def gpus_divide_over_nodes(look: Look) -> Iterator[Problem]:
    """Slurm refuses a job of fewer GPUs than nodes; a step over all nodes has to ask for GPUs by the node."""
    job, nodes = look.spec.x_slurm, look.nodes
    if job.gpus is not None and job.gres is None and job.gpus < nodes:
        message = f"{job.gpus} GPUs for {nodes} nodes: Slurm refuses a job of fewer GPUs than nodes"
        yield look.error("gpus-over-nodes", message, ("x-slurm", "gpus"), f"Ask for {nodes} or more, or use `gres`.")
        return
    for name, service in look.spec.services.items():
        step = service.x_slurm
        if not look.is_distributed(service) or step.gres is not None:
            continue
        own = step.gpus
        is_written = own is not None or step.gpus_per_node is not None or step.gpus_per_task is not None
        gpus = own if is_written else job.gpus if job.gres is None and job.gpus_per_node is None else None
        if gpus is not None and gpus % nodes:
            path = ("services", name, "x-slurm", "gpus") if own is not None else ("x-slurm", "gpus")
            message = f"{gpus} GPUs do not divide evenly over the {nodes} nodes of service '{name}'"
            remedy = "Say with `gpus_per_node` how many it uses on each node."
            yield look.error("gpus-over-nodes", message, path, remedy)


def gpu_shares_need_gpus(look: Look) -> Iterator[Problem]:
    """CPUs or memory for each GPU of a job without GPUs: Slurm refuses the job or the step."""
    job = look.spec.x_slurm
    if _gpus(job, look.nodes) != 0:
        return
    places: list[tuple[tuple[str, ...], JobSlurm | ServiceSlurm]] = [(("x-slurm",), job)]
    places += [(("services", name, "x-slurm"), service.x_slurm) for name, service in look.spec.services.items()]
    for path, slurm in places:
        for key in ("cpus_per_gpu", "mem_per_gpu"):
            if getattr(slurm, key) is not None:
                message = f"`{key}` is given, but the job asks for no GPUs"
                yield look.error("no-gpus", message, (*path, key), "Add GPUs to the top-level x-slurm, or remove it.")


RULES = (services_fit_the_allocation, tasks_need_cpus, gpus_divide_over_nodes, gpu_shares_need_gpus)
