"""What jobs used, as accounting and samples would tell."""

from __future__ import annotations

from typing import Any

from compose_core.insight.gpu_samples import GpuUsage
from compose_core.insight.memory_peak import MemoryUsage
from compose_core.insight.samples import Samples
from compose_core.insight.usage import CpuUsage, JobUsage, StepFigures
from compose_core.records.requests import RecordedJobRequests

GIB = 1024**3
HOUR = 3600.0


def usage(**changes: Any) -> JobUsage:
    """A job of one hour that used its requests well: 4 CPUs, 8 GiB, one node."""
    asked = RecordedJobRequests(
        time_s=5400, nodes=1, ntasks=1, cpus_per_task=4, cpus=4, mem_bytes=8 * GIB, **changes.pop("asked", {})
    )
    fields: dict[str, Any] = {
        "job_id": "7",
        "state": "COMPLETED",
        "wall_s": HOUR,
        "time_limit_s": 5400.0,
        "nodes": 1,
        "cpu": cpu(used_s=3.8 * HOUR),
        "memory": memory(7.0),
        "gpus_requested": asked.gpus,
        "requests": asked,
        "has_accounting": True,
        **changes,
    }
    return JobUsage(**fields)


def cpu(used_s: float | None, *, allocated: int = 4, wall_s: float = HOUR) -> CpuUsage:
    """CPU time of a job, from the accounting."""
    return CpuUsage(allocated=allocated, allocated_s=allocated * wall_s, used_s=used_s, basis="accounting")


def memory(peak_gib: float | None, *, had_gib: float = 8.0, basis: str = "peaks of the steps") -> MemoryUsage:
    """Peak and limit of a node."""
    return MemoryUsage(
        requested_bytes=had_gib * GIB,
        allocated_bytes=had_gib * GIB,
        peak_bytes=None if peak_gib is None else peak_gib * GIB,
        basis=basis,
    )


def gpu(index: int, busy: float, *, node: str = "n1", watts: float | None = None, **changes: Any) -> GpuUsage:
    """A GPU that was sampled over the whole hour."""
    fields: dict[str, Any] = {
        "node": node,
        "index": index,
        "uuid": f"GPU-{node}-{index}",
        "name": "H200",
        "mig_device": None,
        "samples": 720,
        "utilization_mean": busy,
        "utilization_max": busy,
        "memory_mean_mib": 100.0,
        "memory_peak_mib": 100.0,
        "memory_total_mib": 140000.0,
        "power_mean_w": watts,
        "power_max_w": watts,
        "power_limit_w": 700.0 if watts is not None else None,
        "temperature_max_c": None,
        "energy_j": None if watts is None else watts * HOUR,
        "power_covered_s": HOUR if watts is not None else 0.0,
        "covered_s": HOUR,
        "first_at": 0.0,
        "last_at": HOUR,
        "latest": {},
        **changes,
    }
    return GpuUsage(**fields)


def samples(*gpus: GpuUsage) -> Samples:
    """What was sampled of these devices."""
    return Samples(interval_s=5.0, gpus=gpus)


def step(service: str, **changes: Any) -> StepFigures:
    """One step of a service, over the whole hour."""
    fields: dict[str, Any] = {"step": "0", "service": service, "elapsed_s": HOUR, "ntasks": 1, "nnodes": 1, **changes}
    return StepFigures(**fields)
