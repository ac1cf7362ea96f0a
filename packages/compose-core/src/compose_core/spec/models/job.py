"""The top-level `x-slurm`: the allocation, and what is shared by all services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from compose_core.frozen import Frozen
from compose_core.units import parse_memory_mib, parse_slurm_time_s

Collector = Literal["gpu", "slurm", "cpu"]
MailEvent = Literal[
    "begin", "end", "fail", "requeue", "time_limit", "time_limit_50", "time_limit_80", "time_limit_90", "all"
]


class Metrics(Frozen, kw_only=True):
    """What is sampled while the job runs."""

    enabled: bool = True
    interval_seconds: int = 5
    collectors: tuple[Collector, ...] = ("gpu", "slurm")


class Artifacts(Frozen, kw_only=True):
    """What teardown keeps, and where `hpcc artifacts` puts it."""

    export_dir: str
    """As written, relative to the compose file's folder; `${SLURM_JOB_ID}` is filled in at export."""
    collect: Literal["always", "on_success", "on_failure"] = "always"
    paths: tuple[str, ...] = ()
    """The bundle `default`: globs below `/hpc-compose/job`."""
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The named bundles, without `default`."""


class Resume(Frozen, kw_only=True):
    """A shared folder from which a later attempt goes on."""

    path: str
    """Absolute host path."""


class AfterJob(Frozen, kw_only=True):
    """Another job that has to be over first."""

    job: str
    condition: Literal["afterok", "afterany", "afternotok", "aftercorr"] = "afterok"


class Signal(Frozen, kw_only=True):
    """An early warning before the time limit."""

    name: str
    """Without SIG: `USR1`."""
    at_seconds: int
    """How long before the end."""
    shell: bool = False
    """Written as for the batch shell only (`B:`), which changes nothing: the supervisor hands it on."""


class Notify(Frozen, kw_only=True):
    """Mail from Slurm."""

    email: str
    on: tuple[MailEvent, ...] = ("end", "fail")
    array_tasks: bool = False


class Cleanup(Frozen, kw_only=True):
    """What is removed when the job has ended."""

    runtime_cache: Literal["always", "on_success", "never"] = "always"


class Logs(Frozen, kw_only=True):
    """When a service's log is rotated."""

    max_size: str | None = None
    """Memory size, such as `100M`; None: never."""
    keep: int = 3


class JobSlurm(Frozen, kw_only=True):
    """Top-level `x-slurm`. None means: not written."""

    job_name: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str | None = None
    """Slurm time as written."""
    nodes: int | None = None
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    cpus_per_task: int | None = None
    mem: str | None = None
    """Slurm memory size as written, per node."""
    gres: str | None = None
    gpus: int | None = None
    """Ignored when `gres` is given."""
    gpus_per_node: int | None = None
    gpus_per_task: int | None = None
    cpus_per_gpu: int | None = None
    mem_per_gpu: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    licenses: str | None = None
    output: str | None = None
    error: str | None = None
    chdir: str | None = None
    umask: str | None = None
    """Octal: `0077`."""
    export: str | None = None
    """As `sbatch --export`."""
    requeue: bool | None = None
    array: str | None = None
    after_job: tuple[AfterJob, ...] = ()
    dependency: str | None = None
    """As `sbatch --dependency`."""
    signal: Signal | None = None
    notify: Notify | None = None
    cache_dir: str | None = None
    runtime_root: str | None = None
    metrics: Metrics | None = None
    artifacts: Artifacts | None = None
    resume: Resume | None = None
    cleanup: Cleanup | None = None
    logs: Logs | None = None
    stop_grace_seconds: int = 30
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    """Shell lines, verbatim."""
    submit_args: tuple[str, ...] = ()

    @property
    def time_s(self) -> int | None:
        """Seconds of `time`; None when there is no limit or none is written."""
        return parse_slurm_time_s(self.time) if self.time is not None else None

    @property
    def mem_mib(self) -> int | None:
        """MiB of `mem`; None when it is not written, 0 for all of a node."""
        return parse_memory_mib(self.mem) if self.mem is not None else None
