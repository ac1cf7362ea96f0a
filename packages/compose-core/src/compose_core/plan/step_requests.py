"""What a step asks of its job: GPUs and memory, and which of the job's requests must not count as its own.

Slurm passes the job's options on in variables that srun reads as if the service had given them: they would win over what it asks for in
another way, or contradict it. Source: srun(1) and sbatch(1) of Slurm 22.05, INPUT and OUTPUT ENVIRONMENT VARIABLES; tried on a cluster.
"""

from __future__ import annotations

from typing import NamedTuple

from compose_core.plan.geometry import StepGeometry
from compose_core.plan.model import Decision, Literally, Text, Variable, literal, shown
from compose_core.spec.models import JobSlurm, ServiceSlurm

_GPU_VARIABLES = ("SLURM_GPUS", "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK")
_MEMORY_VARIABLES = ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU")


class StepRequests(NamedTuple):
    """The options of srun for GPUs, memory and time, and what goes with them."""

    options: tuple[Text, ...]
    unset: tuple[str, ...]
    """Variables of the job that the step must not see."""
    decisions: tuple[Decision, ...]


def step_requests(name: str, slurm: ServiceSlurm, job: JobSlurm, geometry: StepGeometry) -> StepRequests:
    """What this service asks for; one of a batch service asks for nothing."""
    if slurm.launch == "batch":
        return StepRequests((), (), ())
    gpus, reason = _gpu_options(slurm, job, geometry)
    others = (("--cpus-per-gpu", slurm.cpus_per_gpu), ("--mem", slurm.mem), ("--mem-per-gpu", slurm.mem_per_gpu))
    options = [*gpus, *(literal(f"{option}={value}") for option, value in others if value is not None)]
    if slurm.time_limit is not None:
        options.append(literal(f"--time={slurm.time_limit}"))
    settled = Decision(key=f"services.{name}.x-slurm.gpus", value=" ".join(map(shown, gpus)), reason=reason)
    return StepRequests(
        tuple(options), _unset(slurm, job, geometry, asks_gpus=bool(gpus)), (settled,) if reason else ()
    )


def _gpu_options(slurm: ServiceSlurm, job: JobSlurm, geometry: StepGeometry) -> tuple[list[Text], str]:
    """Options that ask for GPUs and, where they are not as written, why."""
    by_node = geometry.placement == "distributed" and slurm.gpus is not None and slurm.gres is None
    wanted = (
        ("--gres", slurm.gres),
        ("--gpus", slurm.gpus if slurm.gres is None and not by_node else None),
        ("--gpus-per-node", slurm.gpus // geometry.nodes if by_node and slurm.gpus else slurm.gpus_per_node),
        ("--gpus-per-task", slurm.gpus_per_task),
    )
    own = [literal(f"{option}={value}") for option, value in wanted if value is not None]
    if own:
        return own, "a step over several nodes asks for GPUs by the node" if by_node else ""
    if job.gpus is None or job.gres is not None or job.gpus_per_node is not None or (job.nodes or 1) == 1:
        return [], ""
    if geometry.placement == "distributed":
        return [literal(f"--gpus-per-node={job.gpus // geometry.nodes}")], "the job's, by the node"
    there: Text = (Literally("--gpus-per-node="), Variable("SLURM_GPUS_ON_NODE"))
    return [there], "those of the primary node: a step on one node cannot have all of the job"


def _unset(slurm: ServiceSlurm, job: JobSlurm, geometry: StepGeometry, *, asks_gpus: bool) -> tuple[str, ...]:
    names: list[str] = []
    if geometry.ntasks_per_node is None and job.ntasks_per_node is not None:
        names.append("SLURM_NTASKS_PER_NODE")
    if asks_gpus or _raw(slurm, "-G", "--gpus", "--gres", "--tres"):
        names.extend(_GPU_VARIABLES)
    if slurm.mem is not None or slurm.mem_per_gpu is not None or _raw(slurm, "--mem"):
        names.extend(_MEMORY_VARIABLES)
    if slurm.cpus_per_task is not None or slurm.cpus_per_gpu is not None:
        names.append("SLURM_CPUS_PER_GPU")
    return tuple(names)


def _raw(slurm: ServiceSlurm, *options: str) -> bool:
    return any(argument.startswith(options) for argument in slurm.extra_srun_args)
