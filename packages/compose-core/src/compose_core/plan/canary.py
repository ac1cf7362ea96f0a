"""A short run of the same compose file that only measures."""

from __future__ import annotations

from dataclasses import replace

from compose_core.array_tasks import array_tasks
from compose_core.frozen import Frozen
from compose_core.plan.directives import job_name
from compose_core.plan.requests import gpus_in, with_gpu_count
from compose_core.spec import LoadedSpec
from compose_core.spec.models import JobSlurm, Metrics, Resume, Service, ServiceSlurm
from compose_core.units import format_slurm_time, parse_memory_mib

SUFFIX = "-canary"
RESUME_FOLDER = "hpc-compose-canary"
INTERVAL_S = 5


class CanarySize(Frozen, kw_only=True):
    """How small a canary is."""

    time_limit_s: int
    """Of the job as a whole; its services run for less."""
    cpus: int = 1
    """For each task, at most; a file that asks for less stays at that."""
    memory_mib: int = 1024
    """Per node."""
    gpus: int = 1
    keep_requests: bool = False
    """Ask for everything that the file asks for; only the time is short."""


def canary_of(loaded: LoadedSpec, size: CanarySize) -> LoadedSpec:
    """The same file as a canary: another name, less time and less of everything, one task of an array, samples every 5 s.

    What means something only for a whole run is left out: assertions, artifacts, mail, the early signal. The folder of
    x-slurm.resume is another one, so that no real run goes on from a canary's checkpoint.
    """
    spec = loaded.spec
    slurm = replace(
        spec.x_slurm,
        job_name=job_name(spec, str(loaded.project_dir))[0] + SUFFIX,
        time=format_slurm_time(_shortest(spec.x_slurm.time_s, size.time_limit_s)),
        array=_first_task(spec.x_slurm.array),
        metrics=_metrics(spec.x_slurm.metrics),
        resume=_resume(spec.x_slurm.resume),
        artifacts=None,
        notify=None,
        signal=None,
        requeue=False if spec.x_slurm.requeue else spec.x_slurm.requeue,
    )
    services = {name: _service(service) for name, service in spec.services.items()}
    if not size.keep_requests:
        slurm = _smaller_job(slurm, size)
        services = {name: _smaller_service(service, size) for name, service in services.items()}
    return replace(loaded, spec=replace(spec, x_slurm=slurm, services=services, sweep=None))


def without_sweep(loaded: LoadedSpec) -> LoadedSpec:
    """The same file as one job: of the first trial, whose values fill in the variables."""
    return replace(loaded, spec=replace(loaded.spec, sweep=None)) if loaded.spec.sweep is not None else loaded


def _service(service: Service) -> Service:
    limit = service.x_slurm.time_limit
    return replace(
        service,
        asserts=None,
        x_slurm=replace(service.x_slurm, time_limit=None) if limit is not None else service.x_slurm,
    )


def _smaller_job(slurm: JobSlurm, size: CanarySize) -> JobSlurm:
    """Never more than the file asks for, and nothing that it leaves to the site."""
    nodes = slurm.nodes or 1
    return replace(
        slurm,
        cpus_per_task=_least(slurm.cpus_per_task, size.cpus),
        cpus_per_gpu=_least(slurm.cpus_per_gpu, size.cpus),
        mem=_less_memory(slurm.mem, size),
        mem_per_gpu=_less_memory(slurm.mem_per_gpu, size),
        gres=_less_gres(slurm.gres, size.gpus),
        gpus=_least(slurm.gpus, max(size.gpus, nodes)),
        gpus_per_node=_least(slurm.gpus_per_node, size.gpus),
        gpus_per_task=_least(slurm.gpus_per_task, size.gpus),
    )


def _smaller_service(service: Service, size: CanarySize) -> Service:
    slurm: ServiceSlurm = service.x_slurm
    nodes = slurm.nodes or 1
    return replace(
        service,
        x_slurm=replace(
            slurm,
            cpus_per_task=_least(slurm.cpus_per_task, size.cpus),
            cpus_per_gpu=_least(slurm.cpus_per_gpu, size.cpus),
            mem=_less_memory(slurm.mem, size),
            mem_per_gpu=_less_memory(slurm.mem_per_gpu, size),
            gres=_less_gres(slurm.gres, size.gpus),
            gpus=_least(slurm.gpus, max(size.gpus, nodes)),
            gpus_per_node=_least(slurm.gpus_per_node, size.gpus),
            gpus_per_task=_least(slurm.gpus_per_task, size.gpus),
        ),
    )


def _least(asked: int | None, most: int) -> int | None:
    return None if asked is None else min(asked, most)


def _shortest(asked_s: int | None, most_s: int) -> int:
    return most_s if asked_s is None else min(asked_s, most_s)


def _less_memory(asked: str | None, size: CanarySize) -> str | None:
    """0 asks for all of a node."""
    if asked is None:
        return None
    mib = parse_memory_mib(asked)
    return asked if 0 < mib <= size.memory_mib else f"{size.memory_mib}M"


def _less_gres(asked: str | None, gpus: int) -> str | None:
    """A list with several kinds of GPUs stays as it is."""
    if asked is None:
        return None
    count = gpus_in(asked)
    return asked if count is None or count <= gpus else with_gpu_count(asked, gpus) or asked


def _first_task(array: str | None) -> str | None:
    return None if array is None else str(min(array_tasks(array)))


def _metrics(metrics: Metrics | None) -> Metrics:
    found = metrics or Metrics()
    collectors = tuple(dict.fromkeys((*found.collectors, *Metrics().collectors)))
    return Metrics(interval_seconds=INTERVAL_S, collectors=collectors)


def _resume(resume: Resume | None) -> Resume | None:
    return None if resume is None else Resume(path=f"{resume.path.rstrip('/')}/{RESUME_FOLDER}")
