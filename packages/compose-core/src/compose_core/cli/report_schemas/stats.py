"""The report of `stats`."""

from __future__ import annotations

from typing import Any, Literal

from compose_core.cli.report_schemas.job import RecordReport
from compose_core.cli.report_schemas.report import Part, Report
from compose_core.records.metrics import CollectorMeta

Tres = dict[str, float]
"""Trackable resources by name; `mem` in bytes, `cpu` in usage in seconds."""


class CpuFields(Part):
    allocated: int | None
    allocated_s: float | None
    """CPUs × wall time."""
    used_s: float | None
    """User and system time."""
    efficiency: float | None
    """Used by allocated, 0 to 1."""
    basis: Literal["accounting", "sstat", "samples", "process"] | None


class JobCpuReport(CpuFields):
    busy: float | None
    """Used by wall time: how many CPUs were busy on average."""


class MemoryReport(Part):
    requested_bytes_per_node: float | None
    allocated_bytes_per_node: float | None
    peak_bytes_per_node: float | None
    peak_node: str | None
    largest_task_bytes: float | None
    efficiency: float | None
    basis: str | None
    """What the peak rests on, in words."""


class DeviceReport(Part):
    """One GPU, or one MIG device, over the whole run."""

    node: str
    index: int | None
    uuid: str
    name: str
    mig_device: int | None
    samples: int
    covered_s: float
    utilization_mean: float | None
    utilization_max: float | None
    memory_mean_mib: float | None
    memory_peak_mib: float | None
    memory_total_mib: float | None
    power_mean_w: float | None
    power_max_w: float | None
    power_limit_w: float | None
    temperature_max_c: float | None
    energy_wh: float | None


class GpusReport(Part):
    requested: int | None
    allocated: int | None
    hours: float | None
    devices: list[DeviceReport]


class EnergyReport(Part):
    gpu_kwh: float | None
    gpu_coverage: float | None
    """The part of the run that power samples cover, 0 to 1."""
    node_kwh: float | None
    """By the site's energy plugin."""


class UsageStepReport(Part):
    step: str
    name: str
    service: str | None
    state: str | None
    exit_code: int | None
    elapsed_s: float | None
    ntasks: int | None
    nnodes: int | None
    cpu: CpuFields
    largest_task_bytes: float | None
    tasks_total_bytes: float | None


class UsageReport(Part):
    """What was asked for, given and used; null where nobody knows."""

    state: str
    tasks: int
    wall_s: float | None
    time_limit_s: float | None
    nodes: int | None
    cpu: JobCpuReport
    memory: MemoryReport
    gpus: GpusReport
    energy: EnergyReport
    steps: list[UsageStepReport]


class StatsScheduler(Part):
    state: str
    source: str
    terminal: bool
    failed: bool
    exit_code: int | None
    reason: str
    started_at: float | None
    ended_at: float | None


class GpuNodeReport(Part):
    node: str
    gpu_count: int
    utilization_gpu_max: float | None
    memory_used_mib: float | None
    memory_total_mib: float | None
    power_draw_w: float | None


class GpuSamplesReport(Part):
    """The last samples: rows of gpu.jsonl and gpu_processes.jsonl."""

    sampled_at: float | None
    gpus: list[dict[str, Any]]
    nodes: list[GpuNodeReport]
    processes: list[dict[str, Any]]


class StepSamplesReport(Part):
    """The last samples: rows of slurm.jsonl."""

    sampled_at: float | None
    steps: list[dict[str, Any]]


class CpuSamplesReport(Part):
    """The last samples: rows of cpu.jsonl, with means and peaks."""

    sampled_at: float | None
    nodes: list[dict[str, Any]]


class SamplerReport(Part):
    interval_seconds: float
    collectors: list[CollectorMeta]
    gpu: GpuSamplesReport | None
    slurm: StepSamplesReport | None
    cpu: CpuSamplesReport | None


class StepReport(Part):
    """One step: times in seconds, sizes in bytes."""

    step_id: str
    service: str | None
    ntasks: int | None
    ave_cpu: float | None
    ave_rss: float | None
    max_rss: float | None
    alloc_tres: str | None
    tres_usage_in_ave: str | None
    alloc_tres_map: Tres
    tres_usage_in_ave_map: Tres
    gpu_count: int | None
    gpu_util: float | None
    gpu_mem: float | None


class FirstFailureReport(Part):
    service: str
    failed_at: float
    exit_code: int | None
    node: str | None
    rank: int | None


class AccountingRowReport(Part):
    job_id: str
    step: str | None
    """Null: the job as a whole."""
    job_name: str
    state: str
    exit_code: int | None
    signal: int | None
    elapsed_s: float | None
    alloc_cpus: int | None
    cpu_time_s: float | None
    """CPUs × elapsed: what was set aside."""
    total_cpu_s: float | None
    """What was used."""
    alloc_tres: Tres
    req_tres: Tres
    max_rss_bytes: float | None
    ave_rss_bytes: float | None
    ntasks: int | None
    tres_usage_in_tot: Tres
    nnodes: int | None
    nodelist: str
    account: str
    qos: str
    partition: str
    started_at: float | None
    ended_at: float | None


class AccountingReport(Part):
    available: bool
    reason: str | None
    kind: Literal["unreachable", "disabled", "missing", "error"] | None
    """Why it did not answer."""
    allocated_cpu_hours: float | None
    total_cpu_hours: float | None
    allocated_gpu_hours: float | None
    allocated_memory_byte_seconds: float | None
    memory_basis: Literal["allocation_tres", "requested_tres", "unavailable"]
    max_rss_bytes: float | None
    cpu_efficiency: float | None
    rows: list[AccountingRowReport]


class StatsFields(Part):
    job_id: str
    name: str
    metrics_dir: str | None
    scheduler: StatsScheduler
    available: bool
    reason: str | None
    source: Literal["sampler", "sstat"] | None
    notes: list[str]
    usage: UsageReport
    sampler: SamplerReport | None
    steps: list[StepReport]
    first_failure: FirstFailureReport | None
    watchdog: None
    accounting: AccountingReport | None
    """Null without --accounting."""
    attempt: int | None
    is_resume: bool | None
    resume_dir: str | None


class StatsReport(StatsFields, Report):
    """`stats`."""

    record: RecordReport
    array: list[StatsFields] | None
    """One for each task; null for any other job."""
