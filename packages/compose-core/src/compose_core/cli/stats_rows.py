"""The report of `stats` as rows: CSV with one step a line, JSON Lines with a type in each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from compose_core.clock import with_readable_times

Report = Mapping[str, Any]

STEP_COLUMNS = (
    *("job_id", "scheduler_state", "scheduler_source", "stats_source", "step_id", "ntasks", "ave_cpu", "ave_rss"),
    *("max_rss", "alloc_tres", "tres_usage_in_ave", "gpu_count", "gpu_util", "gpu_mem"),
)
ACCOUNTING_COLUMNS = (
    *("job_id", "scheduler_state", "scheduler_source", "step", "job_name", "state", "exit_code", "elapsed_s"),
    *("alloc_cpus", "cpu_time_s", "total_cpu_s", "alloc_tres", "req_tres", "max_rss_bytes", "tres_usage_in_tot"),
    *("nnodes", "account", "qos", "partition", "started_at", "ended_at"),
)


def csv_text(report: Report, *, with_accounting: bool) -> str:
    """A header and one row for each step; with accounting, one for each of its rows."""
    text = io.StringIO()
    columns = ACCOUNTING_COLUMNS if with_accounting else STEP_COLUMNS
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for job in jobs_of(report):
        shared = {
            "job_id": job["job_id"],
            "scheduler_state": job["scheduler"]["state"],
            "scheduler_source": job["scheduler"]["source"],
            "stats_source": job["source"],
        }
        rows = (job["accounting"] or {}).get("rows", []) if with_accounting else job["steps"]
        for row in rows:
            writer.writerow({**shared, **{key: _cell(value) for key, value in with_readable_times(row).items()}})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={figure:.15g}" for name, figure in sorted(value.items()))
    return f"{value:.15g}" if isinstance(value, float) else value


def jsonl_text(report: Report) -> str:
    """One object a line, with its `type`; a summary of each job first."""
    return "".join(f"{json.dumps(with_readable_times(row))}\n" for job in jobs_of(report) for row in _records(job))


def jobs_of(report: Report) -> list[Report]:
    """The job, or an array and its tasks."""
    return [report, *(report["array"] or ())]


def _records(job: Report) -> Iterator[dict[str, Any]]:
    sampler = job["sampler"] or {}
    own = {"job_id": job["job_id"]}
    lists = ("sampler", "steps", "accounting", "record", "array", "notes")
    yield {"type": "summary", **{key: value for key, value in job.items() if key not in lists}}
    for item in sampler.get("collectors", ()):
        yield {"type": "collector", **own, **item}
    for step in job["steps"]:
        yield {"type": "step", **own, **step}
    gpu = sampler.get("gpu") or {}
    for row in gpu.get("gpus", ()):
        yield {"type": "gpu_device", **own, **row}
    for row in gpu.get("processes", ()):
        yield {"type": "gpu_process", **own, **row}
    nodes = (sampler.get("cpu") or {}).get("nodes", ())
    for row in nodes:
        yield {"type": "cpu_node", **own, **row}
    if nodes:
        yield {"type": "cpu_summary", **own, **_cpu_summary(nodes)}
    for note in job["notes"]:
        yield {"type": "note", **own, "note": note}
    if job["accounting"]:
        yield {
            "type": "accounting_summary",
            **own,
            **{key: value for key, value in job["accounting"].items() if key != "rows"},
        }
        for row in job["accounting"]["rows"] if job.get("array") is None else ():
            yield {"type": "accounting_row", **own, **row}


def _cpu_summary(nodes: list[Report]) -> dict[str, Any]:
    """All nodes together, as they were sampled last."""
    cores = [node["core_count"] for node in nodes if type(node.get("core_count")) is int]
    busy = [node["cpu_util_pct"] for node in nodes if type(node.get("cpu_util_pct")) in (int, float)]
    return {
        "node_count": len(nodes),
        "core_count": sum(cores) if cores else None,
        "cpu_util_mean_pct": sum(busy) / len(busy) if busy else None,
    }
