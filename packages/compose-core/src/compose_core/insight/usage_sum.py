"""The usage of several jobs together: the tasks of an array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compose_core.insight.memory_peak import MemoryUsage
from compose_core.insight.usage import CpuUsage, JobUsage

_UNKNOWN = "unavailable"


def sum_of(usages: Sequence[JobUsage], *, job_id: str, state: str = "") -> JobUsage:
    """Amounts added up, peaks of the task that needed most; a figure that some task does not tell is the sum of the others, and noted."""
    began = [usage for usage in usages if usage.wall_s is not None or usage.has_accounting]
    memory = max((usage.memory for usage in began), key=lambda one: one.peak_bytes or 0.0, default=MemoryUsage())
    notes = [note for usage in began for note in usage.notes]
    silent = [usage for usage in began if usage.cpu.used_s is None]
    if silent and len(silent) < len(began):
        notes.append(f"The CPU time of {len(silent)} of {len(began)} tasks is not known.")
    return JobUsage(
        job_id=job_id,
        state=state,
        tasks=len(began),
        wall_s=_sum(usage.wall_s for usage in began),
        time_limit_s=max((usage.time_limit_s for usage in began if usage.time_limit_s is not None), default=None),
        nodes=max((usage.nodes for usage in began if usage.nodes is not None), default=None),
        cpu=_cpu([usage.cpu for usage in began]),
        memory=memory,
        gpus_requested=next((usage.gpus_requested for usage in usages), None),
        gpus_allocated=max((usage.gpus_allocated for usage in began if usage.gpus_allocated is not None), default=None),
        gpu_hours=_sum(usage.gpu_hours for usage in began),
        memory_byte_seconds=_sum(usage.memory_byte_seconds for usage in began),
        memory_byte_seconds_basis=next(
            (one.memory_byte_seconds_basis for one in began if one.memory_byte_seconds is not None), _UNKNOWN
        ),
        gpu_energy_kwh=_sum(usage.gpu_energy_kwh for usage in began),
        node_energy_kwh=_sum(usage.node_energy_kwh for usage in began),
        requests=next((usage.requests for usage in usages), None),
        has_accounting=any(usage.has_accounting for usage in began),
        notes=tuple(dict.fromkeys(notes)),
    )


def _cpu(parts: Sequence[CpuUsage]) -> CpuUsage:
    """The efficiency of the sum is that of the tasks whose CPU time is known."""
    known = [cpu for cpu in parts if cpu.used_s is not None]
    whole = known or list(parts)
    return CpuUsage(
        allocated=max((cpu.allocated for cpu in parts if cpu.allocated is not None), default=None),
        allocated_s=_sum(cpu.allocated_s for cpu in whole),
        used_s=_sum(cpu.used_s for cpu in known),
        basis=next((cpu.basis for cpu in known), ""),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
