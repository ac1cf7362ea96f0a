"""Several short jobs in one task: how many, how many at a time, and what the task has to ask for. Pure.

Each job of a pack keeps its own result, output and retries; one that fails is no failure of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

_WHOLE_ALLOCATION = ("mpi", "gpu", "gres", "gpus", "tasks_per_gpu", "cpus_per_gpu")
"""Resources of rules that count on having the allocation, or its devices, for themselves."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class PackRequest:
    """What one job asks for, as far as packing goes."""

    asked: int = 1
    """So many jobs may share a task."""
    threads: int = 1
    cpus: int = 1
    """Of the task's allocation; more than `threads` lets that many more jobs run at a time."""
    mem_mb: int | None = None
    """Of one job; None: not asked for, or asked for per CPU, which grows with the CPUs."""
    runtime_min: int | None = None
    resources: Mapping[str, int | str] | None = None
    """Of the rule, by Snakemake's names."""
    sidecars: int = 0
    shares_sidecars: bool = False
    """Its sidecars may serve several jobs of one task."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """How jobs of one shape share tasks."""

    size: int = 1
    """Jobs of a task, at most."""
    parallel: int = 1
    mem_mb: int | None = None
    """Of the task."""
    runtime_min: int | None = None
    """Of the task."""
    reason: str = ""
    """Why it is smaller than was asked for; empty: it is not."""


def pack_of(request: PackRequest, *, available: int | None = None, max_runtime_min: int | None = None) -> Pack:
    """The pack for jobs like this one, of which `available` are ready; `max_runtime_min` is the longest that the partition lets run."""
    obstacle = _obstacle(request) if request.asked > 1 else ""
    if request.asked <= 1 or obstacle:
        return Pack(mem_mb=request.mem_mb, runtime_min=request.runtime_min, reason=obstacle)
    parallel = max(1, request.cpus // max(1, request.threads))
    size, reason = _bounded(request, parallel, max_runtime_min)
    if available is not None:
        size = max(1, min(size, available))
    parallel = min(parallel, size)
    return Pack(
        size=size,
        parallel=parallel,
        mem_mb=None if request.mem_mb is None else request.mem_mb * parallel,
        runtime_min=None if request.runtime_min is None else request.runtime_min * -(-size // parallel),
        reason=reason,
    )


def fitted(request: PackRequest, pack: Pack, count: int, *, max_runtime_min: int | None = None) -> Pack:
    """The same pack for a bucket of `count` jobs: fewer jobs than places need less time and memory."""
    if count >= pack.size:
        return pack
    return replace(pack_of(request, available=count, max_runtime_min=max_runtime_min), reason=pack.reason)


def in_packs(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items of each task: as few tasks as `size` allows, filled evenly, in order."""
    tasks = -(-len(items) // max(1, size))
    least, more = divmod(len(items), tasks) if tasks else (0, 0)
    packs, at = [], 0
    for task in range(tasks):
        count = least + (task < more)
        packs.append(items[at : at + count])
        at += count
    return packs


def _bounded(request: PackRequest, parallel: int, max_runtime_min: int | None) -> tuple[int, str]:
    """The size that the partition's time limit lets run one after the other."""
    if max_runtime_min is None or not request.runtime_min:
        return request.asked, ""
    rounds = max(1, max_runtime_min // request.runtime_min)
    if rounds * parallel >= request.asked:
        return request.asked, ""
    return (
        rounds * parallel,
        f"the partition lets jobs run {max_runtime_min} minutes, which is {rounds} of {request.runtime_min} minutes each",
    )


def _obstacle(request: PackRequest) -> str:
    """Why such a job has its task for itself; empty: nothing stands in the way."""
    resources = request.resources or {}
    for name in ("nodes", "tasks"):
        value = resources.get(name, 1)
        if isinstance(value, int) and value > 1:
            return f"it asks for {value} {name}"
    for name in _WHOLE_ALLOCATION:
        if resources.get(name) not in (None, 0, "", "0"):
            return f"it asks for {name}"
    if request.sidecars and not request.shares_sidecars:
        return "it has sidecars, which jobs share only where the mapping says so (share_sidecars: true)"
    return ""
