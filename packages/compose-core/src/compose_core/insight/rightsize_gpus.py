"""How many GPUs of a job did anything, device by device: an average hides the ones that were idle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from compose_core.insight.config_changes import Leaves
from compose_core.insight.run_facts import RunFacts
from compose_core.insight.suggestion import Confidence, Suggestion, Untouched
from compose_core.plan.requests import with_gpu_count

if TYPE_CHECKING:
    from compose_core.insight.gpu_samples import GpuUsage

ACTIVE_PERCENT = 5.0
ACTIVE_MIB = 512.0
_ENOUGH = 0.5
"""Samples of less than this part of the run are too few to call a device idle."""
_KEYS = ("gres", "gpus", "gpus_per_node", "gpus_per_task")


def gpu_advice(facts: RunFacts, written: Leaves) -> Iterator[Suggestion | Untouched]:
    """For the job; services that ask for GPUs by themselves keep what they ask for."""
    asked = facts.usage.gpus_requested or facts.usage.gpus_allocated
    if not asked:
        return
    samples = facts.usage.samples
    devices = [gpu for gpu in samples.gpus if gpu.mig_device is None] if samples is not None else []
    if reason := _too_little(facts, devices, asked):
        yield Untouched(resource="gpus", verdict="unknown", reason=reason)
        return
    active = [gpu for gpu in devices if is_active(gpu)]
    told = f"{len(active)} of {len(devices)} GPUs were ever at work{facts.meanwhile}{_idle(devices)}"
    if len(active) >= asked:
        yield Untouched(resource="gpus", verdict="fits", reason=told)
        return
    if reason := facts.no_lowering:
        yield Untouched(resource="gpus", verdict="unknown", reason=f"{told}, but {reason}")
        return
    yield _lowered(facts, written, active, asked=asked, told=told)


def is_active(gpu: GpuUsage) -> bool:
    """It computed, or held more memory than a bare context does."""
    return (gpu.utilization_max or 0.0) > ACTIVE_PERCENT or (gpu.memory_peak_mib or 0.0) > ACTIVE_MIB


def _too_little(facts: RunFacts, devices: Sequence[GpuUsage], asked: int) -> str:
    """Why the samples say nothing; empty when they do."""
    if facts.usage.samples is not None and any(gpu.mig_device is not None for gpu in facts.usage.samples.gpus):
        return "parts of GPUs (MIG) do not tell how busy they are"
    if facts.canary is not None and facts.canary.gpus < asked:
        return f"the canary had {facts.canary.gpus} of {asked} GPUs: --min-gpus or --keep-requests shows how many are at work"
    if not devices:
        return "no GPU was sampled: x-slurm.metrics does it"
    if len(devices) < asked:
        return f"only {len(devices)} of {asked} GPUs were sampled"
    if all(gpu.utilization_max is None and gpu.memory_peak_mib is None for gpu in devices):
        return "the GPUs did not tell how busy they were"
    covered = min(gpu.covered_s for gpu in devices)
    if facts.canary is None and covered < _ENOUGH * (facts.usage.wall_s or 0.0):
        return f"the samples cover {covered:.0f} s of {facts.usage.wall_s or 0:.0f} s"
    return ""


def _idle(devices: Sequence[GpuUsage]) -> str:
    idle = [gpu.label for gpu in devices if not is_active(gpu)]
    return f" (idle: {', '.join(idle[:8])}{', …' if len(idle) > 8 else ''})" if idle else ""


def _lowered(
    facts: RunFacts, written: Leaves, active: Sequence[GpuUsage], *, asked: int, told: str
) -> Suggestion | Untouched:
    nodes = facts.usage.nodes or 1
    by_node = max(Counter(gpu.node for gpu in active).values(), default=0)
    floor = max((service.gpus or 0 for service in facts.service_requests.values()), default=0)
    total = max(by_node * nodes, floor)
    if total >= asked:
        held = "a service asks for them" if floor >= asked else "every node has to have as many as the busiest"
        return Untouched(resource="gpus", verdict="fits", reason=f"{told}, but {held}")
    key, value = _as_written(written, total=total, nodes=nodes, tasks=facts.requests.ntasks if facts.requests else None)
    confidence: Confidence = facts.confidence if (facts.usage.wall_s or 0.0) >= 600 else "low"
    return Suggestion(
        resource="gpus",
        path=("x-slurm", key),
        requested=asked,
        observed=len(active),
        suggested=total,
        value=value,
        direction="less",
        confidence=confidence,
        evidence=told,
    )


def _as_written(written: Leaves, *, total: int, nodes: int, tasks: int | None) -> tuple[str, str | int | None]:
    """The key that asks for GPUs in the file, and its new value."""
    key = next((name for name in _KEYS if written.get(f"x-slurm.{name}") is not None), "gpus")
    per_node = -(-total // nodes)
    match key:
        case "gres":
            return key, with_gpu_count(str(written["x-slurm.gres"]), per_node)
        case "gpus_per_node":
            return key, per_node or None
        case "gpus_per_task":
            return key, -(-total // (tasks or 1)) or None
        case _:
            return key, total or None
