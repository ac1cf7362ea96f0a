"""Usage as the fields of a report: sizes in bytes, times in seconds, shares from 0 to 1; null where nobody knows."""

from __future__ import annotations

from typing import Any

from compose_core.insight.gpu_samples import GpuUsage
from compose_core.insight.usage import CpuUsage, JobUsage, StepFigures


def usage_json(usage: JobUsage) -> dict[str, Any]:
    """What was asked for, given and used."""
    memory = usage.memory
    return {
        "state": usage.state,
        "tasks": usage.tasks,
        "wall_s": usage.wall_s,
        "time_limit_s": usage.time_limit_s,
        "nodes": usage.nodes,
        "cpu": {**_cpu_json(usage.cpu), "busy": usage.busy_cpus},
        "memory": {
            "requested_bytes_per_node": memory.requested_bytes,
            "allocated_bytes_per_node": memory.allocated_bytes,
            "peak_bytes_per_node": memory.peak_bytes,
            "peak_node": memory.peak_node or None,
            "largest_task_bytes": memory.largest_task_bytes,
            "efficiency": memory.efficiency,
            "basis": memory.basis or None,
        },
        "gpus": {
            "requested": usage.gpus_requested,
            "allocated": usage.gpus_allocated,
            "hours": usage.gpu_hours,
            "devices": [gpu_json(gpu) for gpu in usage.samples.gpus] if usage.samples else [],
        },
        "energy": {
            "gpu_kwh": usage.gpu_energy_kwh,
            "gpu_coverage": usage.gpu_energy_coverage,
            "node_kwh": usage.node_energy_kwh,
        },
        "steps": [_step_json(step) for step in usage.steps],
    }


def gpu_json(gpu: GpuUsage) -> dict[str, Any]:
    """One device over the whole run."""
    return {
        "node": gpu.node,
        "index": gpu.index,
        "uuid": gpu.uuid,
        "name": gpu.name,
        "mig_device": gpu.mig_device,
        "samples": gpu.samples,
        "covered_s": gpu.covered_s,
        "utilization_mean": gpu.utilization_mean,
        "utilization_max": gpu.utilization_max,
        "memory_mean_mib": gpu.memory_mean_mib,
        "memory_peak_mib": gpu.memory_peak_mib,
        "memory_total_mib": gpu.memory_total_mib,
        "power_mean_w": gpu.power_mean_w,
        "power_max_w": gpu.power_max_w,
        "power_limit_w": gpu.power_limit_w,
        "temperature_max_c": gpu.temperature_max_c,
        "energy_wh": None if gpu.energy_j is None else gpu.energy_j / 3600,
    }


def _cpu_json(cpu: CpuUsage) -> dict[str, Any]:
    return {
        "allocated": cpu.allocated,
        "allocated_s": cpu.allocated_s,
        "used_s": cpu.used_s,
        "efficiency": cpu.efficiency,
        "basis": cpu.basis or None,
    }


def _step_json(step: StepFigures) -> dict[str, Any]:
    return {
        "step": step.step,
        "name": step.name,
        "service": step.service or None,
        "state": step.state or None,
        "exit_code": step.exit_code,
        "elapsed_s": step.elapsed_s,
        "ntasks": step.ntasks,
        "nnodes": step.nnodes,
        "cpu": _cpu_json(step.cpu),
        "largest_task_bytes": step.largest_task_bytes,
        "tasks_total_bytes": step.tasks_total_bytes,
    }
