"""The report of `stats`: one job, or an array with its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compose_core.cluster.tres import gpu_count, tres_map
from compose_core.insight.usage_json import usage_json

if TYPE_CHECKING:
    from compose_core.cluster.usage_rows import StepUsage, UsageRow
    from compose_core.insight.samples import Samples
    from compose_core.insight.usage import JobUsage
    from compose_core.job_usage import UsageReading
    from compose_core.records.metrics import CollectorMeta


def stats_report(reading: UsageReading, *, with_accounting: bool) -> dict[str, Any]:
    """All that is known; times in epoch seconds."""
    return {
        "schema_version": 1,
        **_job(reading, with_accounting=with_accounting),
        "record": reading.snapshot.record.as_json(),
        "array": [_job(task, with_accounting=with_accounting) for task in reading.tasks]
        if reading.snapshot.record.array
        else None,
    }


def _job(reading: UsageReading, *, with_accounting: bool) -> dict[str, Any]:
    snapshot, usage = reading.snapshot, reading.usage
    is_available = bool(reading.source) or usage.cpu.used_s is not None or usage.memory.peak_bytes is not None
    return {
        "job_id": snapshot.job_id,
        "name": snapshot.record.name,
        "metrics_dir": str(reading.files.paths.metrics.path) if reading.files else None,
        "scheduler": {
            "state": str(snapshot.state),
            "source": snapshot.source,
            "terminal": snapshot.terminal,
            "failed": snapshot.failed,
            "exit_code": snapshot.exit_code,
            "reason": snapshot.reason,
            "started_at": snapshot.started_at,
            "ended_at": snapshot.ended_at,
        },
        "available": is_available,
        "reason": None if is_available else why_nothing(reading),
        "source": reading.source or None,
        "notes": list(usage.notes),
        "usage": usage_json(usage),
        "sampler": _sampler(usage.samples) if usage.samples and not usage.samples.is_empty else None,
        "steps": _steps(reading),
        "first_failure": _first_failure(reading),
        "watchdog": None,
        "accounting": _accounting(reading) if with_accounting else None,
        "attempt": snapshot.attempt,
        "is_resume": snapshot.is_resume,
        "resume_dir": snapshot.record.resume_dir,
    }


def why_nothing(reading: UsageReading) -> str:
    """One sentence on why there is no figure."""
    snapshot = reading.snapshot
    if snapshot.started_at is None:
        return "The job has not run."
    if reading.files is not None and reading.files.meta is None:
        return "The job has no samples: x-slurm.metrics is not in its file, or was turned off."
    return "There are no samples yet, and no step runs that could be asked."


def _sampler(samples: Samples) -> dict[str, Any]:
    latest = [step.latest for step in samples.steps]
    return {
        "interval_seconds": samples.interval_s,
        "collectors": [_collector(item) for item in samples.collectors],
        "gpu": _gpu(samples) if samples.gpus or samples.gpu_processes else None,
        "slurm": {"sampled_at": _newest(latest), "steps": [dict(row) for row in latest]} if latest else None,
        "cpu": _cpu(samples) if samples.nodes else None,
    }


def _collector(item: CollectorMeta) -> dict[str, Any]:
    return dict(item.model_dump(mode="json"))


def _gpu(samples: Samples) -> dict[str, Any]:
    latest = [gpu.latest for gpu in samples.gpus]
    names = dict.fromkeys(gpu.node for gpu in samples.gpus)
    return {
        "sampled_at": _newest(latest),
        "gpus": [dict(row) for row in latest],
        "nodes": [_gpu_node(name, [gpu.latest for gpu in samples.gpus if gpu.node == name]) for name in names],
        "processes": [dict(row) for row in samples.gpu_processes],
    }


def _gpu_node(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The GPUs of a node in their last samples."""
    return {
        "node": name,
        "gpu_count": sum(row.get("mig_device") is None for row in rows),
        "utilization_gpu_max": max(
            (row["utilization_gpu"] for row in rows if _is_number(row, "utilization_gpu")), default=None
        ),
        "memory_used_mib": _total(rows, "memory_used_mib"),
        "memory_total_mib": _total(rows, "memory_total_mib"),
        "power_draw_w": _total(rows, "power_draw_w"),
    }


def _cpu(samples: Samples) -> dict[str, Any]:
    latest = [node.latest for node in samples.nodes]
    return {
        "sampled_at": _newest(latest),
        "nodes": [
            {
                **dict(node.latest),
                "cpu_util_mean_pct": node.cpu_mean_pct,
                "cpu_util_max_pct": node.cpu_max_pct,
                "memory_peak_bytes": node.memory_peak_bytes,
            }
            for node in samples.nodes
        ],
    }


def _steps(reading: UsageReading) -> list[dict[str, Any]]:
    """Each step as it was sampled last; of a job without samples of steps, as `sstat` tells now."""
    sampled = reading.usage.samples.steps if reading.usage.samples else ()
    services = {step.step: step.service for step in reading.usage.steps}
    accounted = {row.step: row for row in reading.rows}
    if sampled and not reading.live:
        return [_sampled_step(dict(step.latest), services, accounted) for step in sampled]
    return [_live_step(step, services, accounted) for step in reading.live if step.step != "extern"]


def _sampled_step(
    row: dict[str, Any], services: Mapping[str, str], accounted: Mapping[str, UsageRow]
) -> dict[str, Any]:
    step_id = str(row.get("step_id"))
    text = row.get("tres_usage_in_ave")
    return {
        "step_id": step_id,
        "service": row.get("service") or services.get(step_id.rpartition(".")[2]) or None,
        "ntasks": row.get("ntasks"),
        "ave_cpu": row.get("ave_cpu_s"),
        "ave_rss": row.get("ave_rss_bytes"),
        "max_rss": row.get("max_rss_bytes"),
        **_tres(text if isinstance(text, str) else "", accounted.get(step_id.rpartition(".")[2])),
    }


def _live_step(step: StepUsage, services: Mapping[str, str], accounted: Mapping[str, UsageRow]) -> dict[str, Any]:
    return {
        "step_id": f"{step.job_id}.{step.step}",
        "service": services.get(step.step) or None,
        "ntasks": step.ntasks,
        "ave_cpu": step.ave_cpu_s,
        "ave_rss": step.ave_rss_bytes,
        "max_rss": step.max_rss_bytes,
        **_tres(step.tres_usage_in_ave, accounted.get(step.step)),
    }


def _tres(used_text: str, row: UsageRow | None) -> dict[str, Any]:
    used = tres_map(used_text)
    allocated = dict(row.alloc_tres) if row else {}
    return {
        "alloc_tres": _tres_text(allocated) if allocated else None,
        "tres_usage_in_ave": used_text or None,
        "alloc_tres_map": allocated,
        "tres_usage_in_ave_map": dict(used),
        "gpu_count": gpu_count(allocated) if allocated else None,
        "gpu_util": used.get("gres/gpuutil"),
        "gpu_mem": used.get("gres/gpumem"),
    }


def _tres_text(tres: Mapping[str, float]) -> str:
    return ",".join(f"{name}={figure:.15g}" for name, figure in sorted(tres.items()))


def _first_failure(reading: UsageReading) -> dict[str, Any] | None:
    """The service that failed first, as its supervisor saw it."""
    state = reading.files.state if reading.files else None
    failed = [service for service in state.services if service.first_failure_at is not None] if state else []
    if not failed:
        return None
    first = min(failed, key=lambda service: service.first_failure_at or 0.0)
    return {
        "service": first.service_name,
        "failed_at": first.first_failure_at,
        "exit_code": first.first_failure_exit_code,
        "node": first.first_failure_node,
        "rank": first.first_failure_rank,
    }


def _accounting(reading: UsageReading) -> dict[str, Any]:
    """What `sacct` says, or why it says nothing."""
    usage = reading.usage
    rows = [row for task in reading.tasks or (reading,) for row in task.rows]
    fault = reading.accounting_fault
    is_known = usage.has_accounting and reading.snapshot.record.backend == "slurm"
    return {
        "available": is_known,
        "reason": None if is_known else _why_no_accounting(reading),
        "kind": fault.kind if fault else None,
        **_totals(usage, is_known=is_known),
        "rows": [row_json(row) for row in rows],
    }


def _why_no_accounting(reading: UsageReading) -> str:
    fault = reading.accounting_fault
    if fault is not None:
        return fault.message
    if reading.snapshot.record.backend == "local":
        return "The local engine keeps no accounts; it knows the CPU time of a job that has ended."
    return "The accounting does not know the job (yet)."


def _totals(usage: JobUsage, *, is_known: bool) -> dict[str, Any]:
    return {
        "allocated_cpu_hours": _hours(usage.cpu.allocated_s) if is_known else None,
        "total_cpu_hours": _hours(usage.cpu.used_s) if is_known and usage.cpu.basis == "accounting" else None,
        "allocated_gpu_hours": usage.gpu_hours if is_known else None,
        "allocated_memory_byte_seconds": usage.memory_byte_seconds,
        "memory_basis": usage.memory_byte_seconds_basis,
        "max_rss_bytes": usage.memory.largest_task_bytes if is_known else None,
        "cpu_efficiency": usage.cpu.efficiency if is_known else None,
    }


def row_json(row: UsageRow) -> dict[str, Any]:
    """One row of the accounting."""
    return {
        "job_id": row.job_id,
        "step": row.step or None,
        "job_name": row.name,
        "state": str(row.state),
        "exit_code": row.exit_code,
        "signal": row.signal,
        "elapsed_s": row.elapsed_s,
        "alloc_cpus": row.alloc_cpus,
        "cpu_time_s": row.cpu_time_s,
        "total_cpu_s": row.total_cpu_s,
        "alloc_tres": dict(row.alloc_tres),
        "req_tres": dict(row.req_tres),
        "max_rss_bytes": row.max_rss_bytes,
        "ave_rss_bytes": row.ave_rss_bytes,
        "ntasks": row.ntasks,
        "tres_usage_in_tot": dict(row.tres_usage_in_tot),
        "nnodes": row.nnodes,
        "nodelist": row.nodelist,
        "account": row.account,
        "qos": row.qos,
        "partition": row.partition,
        "started_at": row.start,
        "ended_at": row.end,
    }


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 3600


def _newest(rows: Sequence[Mapping[str, Any]]) -> float | None:
    return max((row["sampled_at"] for row in rows), default=None)


def _is_number(row: Mapping[str, Any], key: str) -> bool:
    return type(row.get(key)) in (int, float)


def _total(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Of whole GPUs; a MIG device is a part of one."""
    known = [row[key] for row in rows if row.get("mig_device") is None and _is_number(row, key)]
    return sum(known) if known else None
