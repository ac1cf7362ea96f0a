"""What is asked of Slurm for one job: the rule's own request, what its services add, and what files say where the rule says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snakemake_executor_plugin_hpccompose.durations import slurm_time
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.resources import Request, gres_gpus


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What the services beside the rule ask for, in sum; they run on the first node."""

    cpus: int = 0
    mem_mib: int = 0
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class Site:
    """What holds where a rule says nothing: from the settings."""

    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    reservation: str | None = None
    requeue: bool | None = None


def with_extra(request: Request, extra: Extra, rule: str) -> Request:
    """The request of the whole job.

    Raises: RuleError: the sum cannot be said in Slurm's words.
    """
    first_node = _tasks_on_first_node(request)
    cpus = request.cpus_per_task
    changes: dict[str, Any] = {}
    if extra.cpus and cpus is not None:
        changes["cpus_per_task"] = cpus + -(-extra.cpus // first_node)
    if extra.mem_mib and request.mem_mb_per_cpu:
        own = request.mem_mb_per_cpu * (cpus or request.threads) * first_node
        changes |= {"mem_mb": own + extra.mem_mib, "mem_mb_per_cpu": None}
    elif extra.mem_mib and request.mem_mb:
        changes["mem_mb"] = request.mem_mb + extra.mem_mib
    if extra.gpus:
        if gres_gpus(request.gres)[0]:
            what = "the rule asks for GPUs by gres, and a service beside it for more."
            raise RuleError(rule, what, remedy="Ask by gpu (and gpu_model), so that both can be added up.")
        changes["gpus"] = (request.gpus or 0) + extra.gpus
    return Request(**{**vars(request), **changes})


def job_slurm(request: Request, rule: str) -> dict[str, Any]:
    """The section `x-slurm` of the compose job, as far as the rule says it.

    Raises: RuleError: GPUs and generic resources cannot be asked for together over several nodes.
    """
    keys: dict[str, Any] = {
        "partition": request.partition,
        "account": request.account,
        "qos": request.qos,
        "reservation": request.reservation,
        "constraint": request.constraint,
        "time": slurm_time(request.runtime_min) if request.runtime_min else None,
        "nodes": request.nodes,
        "ntasks": request.tasks,
        "ntasks_per_node": request.tasks_per_node,
        "cpus_per_task": request.cpus_per_task,
        "cpus_per_gpu": request.cpus_per_gpu,
        "mem": f"{request.mem_mb}M" if request.mem_mb and not request.mem_mb_per_cpu else None,
        "requeue": request.requeue,
        **_gpus(request, rule),
    }
    return {key: value for key, value in keys.items() if value is not None}


def site_slurm(site: Site) -> dict[str, Any]:
    """What the settings say, for rules and files that say nothing. The partition is chosen with the rest."""
    keys = {"account": site.account, "qos": site.qos, "reservation": site.reservation, "requeue": site.requeue}
    return {key: value for key, value in keys.items() if value is not None}


def raw_options(request: Request) -> tuple[str, ...]:
    """What only sbatch's own options can say."""
    options = list(request.extra)
    if request.mem_mb_per_cpu:
        options.append(f"--mem-per-cpu={request.mem_mb_per_cpu}M")
    if request.clusters:
        options.append(f"--clusters={request.clusters}")
    if request.gpus and request.gpu_model and (request.nodes or 1) > 1:
        options.append(f"--gpus={request.gpu_model}:{request.gpus}")
    return tuple(options)


SIZES: Mapping[str, frozenset[str]] = {
    "mem": frozenset({"mem", "mem_per_gpu"}),
    "time": frozenset({"time"}),
    "gpus": frozenset({"gpus", "gres", "gpus_per_node", "gpus_per_task"}),
    "gres": frozenset({"gpus", "gres", "gpus_per_node", "gpus_per_task"}),
    "cpus_per_task": frozenset({"cpus_per_task", "cpus_per_gpu"}),
    "cpus_per_gpu": frozenset({"cpus_per_task", "cpus_per_gpu"}),
    "ntasks": frozenset({"ntasks", "ntasks_per_node"}),
    "ntasks_per_node": frozenset({"ntasks", "ntasks_per_node"}),
}
"""What the rule says with one of these keys replaces all of those that a file says."""


def over(written: Mapping[str, Any], asked: Mapping[str, Any], options: tuple[str, ...]) -> dict[str, Any]:
    """The section of a file below what the rule asks for."""
    replaced = set().union(*(SIZES.get(key, {key}) for key in asked))
    if any(option.startswith("--mem-per-cpu") for option in options):
        replaced |= SIZES["mem"]
    if any(option.startswith("--gpus") for option in options):
        replaced |= SIZES["gpus"]
    kept = {key: value for key, value in written.items() if key not in replaced}
    submit_args = [*kept.pop("submit_args", ()), *options]
    merged = {**kept, **asked}
    return {**merged, "submit_args": submit_args} if submit_args else merged


def _tasks_on_first_node(request: Request) -> int:
    if request.tasks_per_node:
        return request.tasks_per_node
    return max(1, -(-(request.tasks or 1) // (request.nodes or 1)))


def _gpus(request: Request, rule: str) -> dict[str, Any]:
    """By number, or by generic resources where a model or others are asked for."""
    if not request.gpus:
        return {"gres": request.gres}
    if not request.gres and not request.gpu_model:
        return {"gpus": request.gpus}
    nodes = request.nodes or 1
    if nodes > 1 and request.gpu_model and not request.gres:
        return {}
    if request.gpus % nodes:
        what = f"{request.gpus} GPUs and the resource gres cannot be spread evenly over {nodes} nodes."
        raise RuleError(rule, what, remedy="Ask for GPUs by gres, which counts on each node.")
    model = f":{request.gpu_model}" if request.gpu_model else ""
    words = [request.gres] if request.gres else []
    return {"gres": ",".join([*words, f"gpu{model}:{request.gpus // nodes}"])}
