"""What the fake `sacct` says of the usage of jobs: what a test gave them, and nothing measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from compose_core.testing.fake_job import FakeJob, Heard

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

USAGE_WIDTHS = (
    *("ElapsedRaw", "TimelimitRaw", "CPUTimeRAW", "TotalCPU", "AllocTRES", "ReqTRES", "MaxRSS", "AveRSS", "NTasks"),
    *("TRESUsageInTot", "NNodes", "QOS", "ConsumedEnergyRaw"),
)
"""The fields that are told here."""


def usage_cells(cluster: FakeCluster, job: FakeJob, heard: Heard, *, behind: bool) -> dict[str, str]:
    """Of the job as a whole; a row that lags behind has no CPUs and no resources yet."""
    elapsed = 0
    if heard.started_at is not None:
        elapsed = int((heard.ended_at if heard.ended_at is not None else cluster.now()) - heard.started_at)
    cpus = 0 if behind else job.nodes_wanted
    tres = f"billing={cpus},cpu={cpus},mem={1000 * job.nodes_wanted}M,node={job.nodes_wanted}"
    return {
        **dict.fromkeys(USAGE_WIDTHS, ""),
        "AllocCPUS": str(cpus),
        "ElapsedRaw": str(elapsed),
        "TimelimitRaw": "" if behind or job.time_limit_s is None else str(job.time_limit_s // 60),
        "CPUTimeRAW": str(elapsed * cpus),
        "TotalCPU": cpu_time_text(job.total_cpu_s if heard.ended_at is not None else 0.0),
        "AllocTRES": tres if heard.started_at is not None and not behind else "",
        "ReqTRES": "" if behind else tres,
        "NNodes": str(0 if behind else job.nodes_wanted),
        "QOS": "Unknown" if behind else "normal",
        "ConsumedEnergyRaw": "0",
    }


def step_cells(row: Mapping[str, str], job: FakeJob, name: str) -> dict[str, str]:
    """Of a step; all of the job's usage is that of its batch step."""
    is_batch = name == "batch"
    memory = str(job.max_rss_bytes) if is_batch and job.max_rss_bytes and row["End"] != "Unknown" else ""
    return {
        "CPUTimeRAW": row["CPUTimeRAW"],
        "TotalCPU": row["TotalCPU"] if is_batch else "00:00:00",
        "AllocTRES": row["AllocTRES"],
        "MaxRSS": memory,
        "AveRSS": memory,
        "NTasks": "1",
        "TRESUsageInTot": f"cpu=00:00:00,mem={memory}" if memory else "",
        "ConsumedEnergyRaw": "0",
    }


def cpu_time_text(seconds: float) -> str:
    """`00:07.828`, `02:03:04`, `1-02:03:04`, as TotalCPU is written."""
    whole = int(seconds)
    if seconds != 0 and whole < 3600:
        return f"{whole // 60:02d}:{seconds % 60:06.3f}"
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock
