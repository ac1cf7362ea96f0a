"""Ready jobs of one shape as the members of tasks, and the compose file of a task that has several."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snakemake_executor_plugin_hpccompose.packing import Pack, PackRequest, in_packs, pack_of

if TYPE_CHECKING:
    from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob

_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024 * 1024}


def tasks_of(
    shape: Sequence[ReadyJob], *, setting: int, longest_min: Callable[[Mapping[str, Any]], int | None] | None = None
) -> list[tuple[ReadyJob, ...]]:
    """The members of each task; `setting` is the pack of rules that say nothing themselves.

    `longest_min` tells how long the partition lets a job run that asks Slurm for this; it is asked only where packs are wanted.
    """
    requests = [pack_request(job, setting=setting) for job in shape]
    if not requests:
        return []
    has_packs = any(one.asked > 1 and one.runtime_min for one in requests) and len(shape) > 1
    compose = shape[0].compose
    limit = longest_min(compose.spec.get("x-slurm", {})) if has_packs and longest_min and compose is not None else None
    size = min(pack_of(one, max_runtime_min=limit).size for one in requests)
    return [tuple(task) for task in in_packs(shape, size)]


def pack_of_tasks(tasks: Sequence[Sequence[ReadyJob]]) -> Pack:
    """What a task asks for that has as many members as the largest of these."""
    size = max(len(task) for task in tasks)
    return pack_of(pack_request(tasks[0][0], setting=size, asked=size), available=size)


def pack_request(job: ReadyJob, *, setting: int, asked: int | None = None) -> PackRequest:
    """The job, as far as packing goes."""
    compose, facts = job.compose, job.facts
    assert compose is not None
    if asked is None:
        asked = compose.pack if compose.pack is not None else setting
    return PackRequest(
        asked=asked,
        threads=facts.threads,
        cpus=compose.cpus or facts.threads,
        mem_mb=compose.mem_mb,
        runtime_min=compose.runtime_min,
        resources=facts.resources,
        sidecars=len(compose.sidecars),
        shares_sidecars=bool(getattr(compose, "share_sidecars", False)),
    )


def ask_for_pack(slurm: dict[str, Any], one: PackRequest, pack: Pack) -> None:
    """The top-level `x-slurm` of one job becomes that of the pack; what sidecars add stays as it is."""
    if pack.parallel > 1 and one.mem_mb is not None and "mem" in slurm:
        slurm["mem"] = f"{_mib(slurm['mem']) + one.mem_mb * (pack.parallel - 1)}M"
    if pack.size > 1 and pack.runtime_min is not None:
        slurm["time"] = f"{pack.runtime_min // 60:02d}:{pack.runtime_min % 60:02d}:00"


def _mib(value: Any) -> int:
    match = re.fullmatch(r"(\d+)([KMGT]?)[Bb]?", str(value))
    if match is None:
        raise ValueError(f"memory {value!r} of a compose job")
    return -int(-int(match[1]) * _MIB[match[2]] // 1)
