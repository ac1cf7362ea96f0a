"""What a job asked for, got and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from compose_core.insight.memory_peak import MemoryUsage, memory_usage
from compose_core.insight.samples import Samples
from compose_core.insight.step_samples import SampledStep, step_order

if TYPE_CHECKING:
    from compose_core.cluster.usage_rows import StepUsage, UsageRow
    from compose_core.records.requests import RecordedJobRequests
    from compose_core.records.state import ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuUsage:
    """CPU time; what nobody told is None, never zero."""

    allocated: int | None = None
    """CPUs, on all nodes."""
    allocated_s: float | None = None
    """CPUs × wall time."""
    used_s: float | None = None
    """User and system time of all processes."""
    basis: str = ""
    """Where `used_s` comes from: `accounting` (TotalCPU), `sstat`, `samples`, `process`; empty when it is not known."""

    @property
    def efficiency(self) -> float | None:
        """Used by allocated; 1 when every CPU was busy all the time."""
        if self.used_s is None or not self.allocated_s:
            return None
        return self.used_s / self.allocated_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """One step: what it got and used."""

    step: str
    """`batch`, `0`."""
    name: str = ""
    service: str = ""
    """Empty for a step that belongs to no service."""
    state: str = ""
    exit_code: int | None = None
    elapsed_s: float | None = None
    ntasks: int | None = None
    nnodes: int | None = None
    cpu: CpuUsage = field(default_factory=CpuUsage)
    largest_task_bytes: float | None = None
    tasks_total_bytes: float | None = None
    """The peaks of its tasks, summed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUsage:
    """One job, one task of an array, or all tasks of it together."""

    job_id: str
    state: str = ""
    tasks: int = 1
    """How many tasks of an array are added up here."""
    wall_s: float | None = None
    """So far, for a job that runs; of several tasks the sum."""
    time_limit_s: float | None = None
    nodes: int | None = None
    cpu: CpuUsage = field(default_factory=CpuUsage)
    busy_cpus: float | None = None
    """CPU time by wall time: how many CPUs were busy on average."""
    memory: MemoryUsage = field(default_factory=MemoryUsage)
    gpus_requested: int | None = None
    gpus_allocated: int | None = None
    """None: not known; 0: none."""
    gpu_hours: float | None = None
    """GPUs that were allocated × wall time."""
    memory_byte_seconds: float | None = None
    """Allocated memory × wall time."""
    memory_byte_seconds_basis: str = "unavailable"
    """allocation_tres, requested_tres or unavailable."""
    gpu_energy_kwh: float | None = None
    """From power samples; of the time that they cover."""
    gpu_energy_coverage: float | None = None
    """The part of the wall time that they cover, 0 to 1, over the devices that tell their power."""
    node_energy_kwh: float | None = None
    """As the site's energy plugin measured it."""
    steps: tuple[StepFigures, ...] = ()
    samples: Samples | None = None
    requests: RecordedJobRequests | None = None
    has_accounting: bool = False
    notes: tuple[str, ...] = ()

    @property
    def cpu_given_s(self) -> float | None:
        """The CPU time that was set aside; where nothing sets CPUs aside, those that were asked for × wall time."""
        asked = self.requests.cpus if self.requests is not None else None
        return self.cpu.allocated_s or (asked * self.wall_s if asked and self.wall_s else None)

    @property
    def cpu_share(self) -> float | None:
        """CPU time used by the time that was given; 1 when every CPU was busy all the time."""
        given_s = self.cpu_given_s
        return self.cpu.used_s / given_s if self.cpu.used_s is not None and given_s else None


def job_usage(
    job_id: str,
    *,
    rows: Sequence[UsageRow] = (),
    live: Sequence[StepUsage] = (),
    samples: Samples | None = None,
    requests: RecordedJobRequests | None = None,
    services: Sequence[ServiceState] = (),
    state: str = "",
    wall_s: float | None = None,
    time_limit_s: float | None = None,
    nodes: int | None = None,
    notes: Sequence[str] = (),
) -> JobUsage:
    """The usage of one job from all that is known of it; figures that are given besides the rows are what is known without them.

    `rows` are those of this job, `live` what its running steps use now.
    """
    job = next((row for row in rows if not row.step), None)
    names = _services_of_steps(services)
    steps = _steps(rows, live, samples, names)
    wall = job.elapsed_s if job and job.elapsed_s is not None and job.end is not None else wall_s
    if wall is None and job is not None:
        wall = job.elapsed_s
    node_count = (job.nnodes if job and job.nnodes else None) or nodes or (requests.nodes if requests else None)
    gpus = _gpus_allocated(job, samples)
    byte_seconds, basis = _memory_byte_seconds(job)
    covered = _energy_coverage(samples, wall)
    cpu = _cpu(job, steps, requests, wall)
    return JobUsage(
        job_id=job_id,
        state=state or (str(job.state) if job else ""),
        wall_s=wall,
        time_limit_s=_first(job.time_limit_s if job else None, time_limit_s, requests.time_s if requests else None),
        nodes=node_count,
        cpu=cpu,
        busy_cpus=cpu.used_s / wall if cpu.used_s is not None and wall else None,
        memory=memory_usage(rows, live, samples, requests, nodes=node_count),
        gpus_requested=requests.gpus if requests else None,
        gpus_allocated=gpus,
        gpu_hours=gpus * wall / 3600 if gpus is not None and wall is not None else None,
        memory_byte_seconds=byte_seconds,
        memory_byte_seconds_basis=basis,
        gpu_energy_kwh=_kwh(samples.gpu_energy_j if samples else None),
        gpu_energy_coverage=covered,
        node_energy_kwh=_kwh(
            _first(job.energy_j if job else None, _summed([row.energy_j for row in rows if row.step]))
        ),
        steps=steps,
        samples=samples,
        requests=requests,
        has_accounting=job is not None,
        notes=(*notes, *(samples.notes if samples else ()), *_coverage_notes(samples, covered)),
    )


def is_settled(rows: Sequence[UsageRow]) -> bool:
    """The accounting has heard of the end of the job and of all its steps; until then its figures grow."""
    job = next((row for row in rows if not row.step), None)
    return bool(job and job.alloc_cpus and all(row.state.is_terminal and row.end is not None for row in rows))


def _steps(
    rows: Sequence[UsageRow], live: Sequence[StepUsage], samples: Samples | None, services: Mapping[str, str]
) -> tuple[StepFigures, ...]:
    """Each step, by what is known of it best: its end in the accounting, what `sstat` says now, its last sample."""
    found: dict[str, StepFigures] = {}
    for sampled in samples.steps if samples else ():
        step = sampled.step_id.rpartition(".")[2]
        found[step] = _sampled_step(step, sampled)
    for running in live:
        found[running.step] = _live_step(running, found.get(running.step))
    for row in rows:
        if row.step:
            found[row.step] = _accounted_step(row, found.get(row.step))
    named = [_with_service(step, services) for name, step in found.items() if name != "extern"]
    return tuple(sorted(named, key=lambda step: step_order(step.step)))


def _sampled_step(step: str, sampled: SampledStep) -> StepFigures:
    tasks = sampled.latest.get("ntasks")
    return StepFigures(
        step=step,
        service=sampled.service,
        ntasks=tasks if type(tasks) is int else None,
        cpu=CpuUsage(used_s=sampled.cpu_s, basis="samples" if sampled.cpu_s is not None else ""),
        largest_task_bytes=sampled.max_rss_bytes,
        tasks_total_bytes=sampled.peak_bytes,
    )


def _live_step(running: StepUsage, sampled: StepFigures | None) -> StepFigures:
    total = running.tres_usage_in_tot
    used = total.get("cpu")
    if used is None and running.ave_cpu_s is not None and running.ntasks:
        used = running.ave_cpu_s * running.ntasks
    return StepFigures(
        step=running.step,
        name=running.name,
        service=sampled.service if sampled else "",
        state="RUNNING",
        ntasks=running.ntasks,
        cpu=CpuUsage(used_s=used, basis="sstat" if used is not None else ""),
        largest_task_bytes=running.max_rss_bytes,
        tasks_total_bytes=total.get("mem"),
    )


def _accounted_step(row: UsageRow, known: StepFigures | None) -> StepFigures:
    """A step that goes on has used nothing yet as far as the accounting knows."""
    is_over = row.end is not None
    used = row.total_cpu_s if is_over else None
    cpu = CpuUsage(
        allocated=row.alloc_cpus,
        allocated_s=row.cpu_time_s,
        used_s=used if used is not None else known.cpu.used_s if known else None,
        basis="accounting" if used is not None else known.cpu.basis if known else "",
    )
    return StepFigures(
        step=row.step,
        name=row.name,
        service=known.service if known else "",
        state=str(row.state),
        exit_code=row.exit_code,
        elapsed_s=row.elapsed_s,
        ntasks=row.ntasks,
        nnodes=row.nnodes,
        cpu=cpu,
        largest_task_bytes=_first(row.max_rss_bytes, known.largest_task_bytes if known else None),
        tasks_total_bytes=_first(row.tres_usage_in_tot.get("mem"), known.tasks_total_bytes if known else None),
    )


def _with_service(step: StepFigures, services: Mapping[str, str]) -> StepFigures:
    service = step.service or services.get(step.step) or services.get(f"name:{step.name}", "")
    return replace(step, service=service) if service != step.service else step


def _services_of_steps(services: Sequence[ServiceState]) -> dict[str, str]:
    """Which service a step is of, by its number and by its name."""
    found = {f"name:{service.step_name}": service.service_name for service in services if service.step_name}
    for service in services:
        if service.step_id:
            found[service.step_id.rpartition(".")[2]] = service.service_name
    return found


def _cpu(
    job: UsageRow | None, steps: Sequence[StepFigures], requests: RecordedJobRequests | None, wall: float | None
) -> CpuUsage:
    is_local = job is not None and job.alloc_cpus is None and not job.alloc_tres
    if job is not None and is_local:  # nothing was set aside
        return CpuUsage(used_s=job.total_cpu_s, basis="process" if job.total_cpu_s is not None else "")
    allocated = (job.alloc_cpus if job else None) or (requests.cpus if requests else None)
    allocated_s = (job.cpu_time_s if job else None) or (allocated * wall if allocated and wall else None)
    if job is not None and job.end is not None and _is_gathered(job, steps):
        return CpuUsage(allocated=allocated, allocated_s=allocated_s, used_s=job.total_cpu_s, basis="accounting")
    known = [step.cpu for step in steps if step.cpu.used_s is not None]
    if job is not None and job.end is not None and all(cpu.basis == "accounting" for cpu in known):
        known = []  # the accounting gathers no CPU time here: its zeros mean nothing
    order = ("samples", "sstat", "accounting")
    basis = min((cpu.basis for cpu in known), key=order.index, default="")
    return CpuUsage(
        allocated=allocated,
        allocated_s=allocated_s,
        used_s=_summed([cpu.used_s for cpu in known]),
        basis=basis,
    )


def _is_gathered(job: UsageRow, steps: Sequence[StepFigures]) -> bool:
    """The figure is measured; a site that gathers nothing shows zero."""
    if job.total_cpu_s is None:
        return False
    return job.total_cpu_s > 0 or any(step.largest_task_bytes is not None for step in steps) or (job.elapsed_s or 0) < 2


def _gpus_allocated(job: UsageRow | None, samples: Samples | None) -> int | None:
    if job is not None and job.alloc_tres:
        return _gpu_count(job.alloc_tres)
    if job is not None and job.req_tres:
        return _gpu_count(job.req_tres)
    whole = [gpu for gpu in samples.gpus if gpu.mig_device is None] if samples else []
    return len(whole) or None


def _gpu_count(tres: Mapping[str, float]) -> int:
    if "gres/gpu" in tres:
        return int(tres["gres/gpu"])
    return int(sum(count for name, count in tres.items() if name.startswith("gres/gpu:")))


def _memory_byte_seconds(job: UsageRow | None) -> tuple[float | None, str]:
    if job is None or job.elapsed_s is None:
        return None, "unavailable"
    for tres, basis in ((job.alloc_tres, "allocation_tres"), (job.req_tres, "requested_tres")):
        if "mem" in tres:
            return tres["mem"] * job.elapsed_s, basis
    return None, "unavailable"


def _energy_coverage(samples: Samples | None, wall: float | None) -> float | None:
    told = [gpu.power_covered_s for gpu in samples.gpus if gpu.energy_j is not None] if samples else []
    if not told or not wall:
        return None
    return min(1.0, sum(told) / len(told) / wall)


def _coverage_notes(samples: Samples | None, covered: float | None) -> list[str]:
    found = []
    if covered is not None and covered < 0.9:
        found.append(f"Power samples cover {covered:.0%} of the run: the energy is that of this part.")
    silent = [gpu for gpu in samples.gpus if gpu.energy_j is None] if samples and covered is not None else []
    if silent:
        found.append(f"{len(silent)} of {len(samples.gpus) if samples else 0} GPUs did not tell their power.")
    return found


def _kwh(joule: float | None) -> float | None:
    return None if joule is None else joule / 3.6e6


def _summed(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
