"""What the job and each of its services ask for, in numbers: what a later look compares with what was used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from compose_core.frozen import Frozen
from compose_core.units import parse_memory_mib, parse_slurm_time_s

if TYPE_CHECKING:
    from compose_core.plan.model import PlannedStep
    from compose_core.spec.models import ComposeSpec, JobSlurm, ServiceSlurm

_MIB = 1024**2
_NAMES_GPUS = re.compile(r"(?:gres[/:])?gpu(?:[:=(]|$)")
_GRES_GPU = re.compile(r"(?:gres[/:])?gpu(?::[^:,=()]*[^:,=()0-9][^:,=()]*)?(?:[:=]([0-9]+))?(?:\([^)]*\))?")


class Requests(Frozen, kw_only=True):
    """Numbers that Slurm was asked for; None leaves it to the site, or to the job where a service says nothing."""

    time_s: int | None = None
    nodes: int | None = None
    ntasks: int | None = None
    cpus_per_task: int | None = None
    cpus: int | None = None
    """In total, on all nodes."""
    mem_bytes: int | None = None
    """Per node; 0 is all memory of a node."""
    mem_bytes_per_gpu: int | None = None
    gpus: int | None = None
    """In total, on all nodes."""


class JobRequests(Requests, kw_only=True):
    """The job's, and what its services ask for by themselves."""

    services: Mapping[str, Requests] = field(default_factory=dict)


def job_requests(spec: ComposeSpec, steps: Sequence[PlannedStep]) -> JobRequests:
    """What this spec asks for; raw arguments (`submit_args`) are not looked into."""
    slurm = spec.x_slurm
    nodes = slurm.nodes or 1
    ntasks = slurm.ntasks or (slurm.ntasks_per_node * nodes if slurm.ntasks_per_node else None)
    gpus = _gpus(slurm, nodes=nodes, ntasks=ntasks or nodes)
    asks_cpus = slurm.cpus_per_task is not None or ntasks is not None
    return JobRequests(
        time_s=_seconds(slurm.time),
        nodes=nodes,
        ntasks=ntasks,
        cpus_per_task=slurm.cpus_per_task,
        cpus=_product(slurm.cpus_per_gpu, gpus)
        or ((slurm.cpus_per_task or 1) * (ntasks or nodes) if asks_cpus else None),
        mem_bytes=_bytes(slurm.mem),
        mem_bytes_per_gpu=_bytes(slurm.mem_per_gpu),
        gpus=gpus,
        services={step.service: _of_service(spec.services[step.service].x_slurm, step) for step in steps},
    )


def gpus_in(gres: str) -> int | None:
    """GPUs that a gres list asks for on each node (`gpu:a100:2,shard:4` gives 2); None when it names none."""
    counts = [int(match[1] or 1) for part in gres.split(",") if (match := _GRES_GPU.fullmatch(part.strip()))]
    return sum(counts) if counts else None


def with_gpu_count(gres: str, count: int) -> str | None:
    """The gres list with another number of GPUs; None where it names none, or several kinds."""
    parts = [part.strip() for part in gres.split(",")]
    gpus = [position for position, part in enumerate(parts) if _NAMES_GPUS.match(part)]
    if len(gpus) != 1:
        return None
    words = re.split(r"[:=]", parts[gpus[0]].partition("(")[0])
    kind = [word for word in words if not word.isdigit()]
    others = [part for position, part in enumerate(parts) if position != gpus[0]]
    kept = [":".join([*kind, str(count)])] if count else []
    return ",".join([*kept, *others]) or None


def _of_service(slurm: ServiceSlurm, step: PlannedStep) -> Requests:
    gpus = _gpus(slurm, nodes=step.nodes, ntasks=step.ntasks)
    per_task = slurm.cpus_per_task
    return Requests(
        time_s=_seconds(slurm.time_limit),
        nodes=step.nodes,
        ntasks=step.ntasks,
        cpus_per_task=per_task,
        cpus=_product(slurm.cpus_per_gpu, gpus) or _product(per_task, step.ntasks),
        mem_bytes=_bytes(slurm.mem),
        mem_bytes_per_gpu=_bytes(slurm.mem_per_gpu),
        gpus=gpus,
    )


def _gpus(slurm: JobSlurm | ServiceSlurm, *, nodes: int, ntasks: int) -> int | None:
    if slurm.gres is not None:
        return _product(gpus_in(slurm.gres), nodes)
    if slurm.gpus is not None:
        return slurm.gpus
    return _product(slurm.gpus_per_node, nodes) or _product(slurm.gpus_per_task, ntasks)


def _product(count: int | None, times: int | None) -> int | None:
    return None if count is None or times is None else count * times


def _seconds(text: str | None) -> int | None:
    return None if text is None else parse_slurm_time_s(text)


def _bytes(text: str | None) -> int | None:
    return None if text is None else parse_memory_mib(text) * _MIB
