"""One service of the compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from compose_core.frozen import Frozen
from compose_core.spec.models.command import Command
from compose_core.spec.models.readiness import Readiness

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
FailureMode = Literal["fail_job", "ignore", "restart_on_failure"]
HookEvent = Literal["restart", "window_exhausted", "gave_up", "ready", "exit"]


MASTER_PORT_NAME = "master"
"""Every step has a port of this name, where its tasks meet, whether `ports` lists it or not."""


class Volume(Frozen, kw_only=True):
    """A host path that the container sees; also a mount of `prepare`."""

    source: str
    """Host path as written: absolute, relative to the compose file's folder, or starting with `~`."""
    target: str
    """Absolute path in the container."""
    read_only: bool = False


class Dependency(Frozen, kw_only=True):
    """What another service has to have reached before this one starts."""

    condition: Condition = "service_started"


class FailurePolicy(Frozen, kw_only=True):
    """What a failure of the service does; all defaults are filled in."""

    mode: FailureMode = "fail_job"
    max_restarts: int = 3
    """Restarts after the first launch, over the whole run."""
    backoff_seconds: int = 5
    window_seconds: int = 60
    max_restarts_in_window: int = 3
    """As `max_restarts` unless the file says otherwise."""


class Hook(Frozen, kw_only=True):
    """A script that runs on the batch host when something happens to the service."""

    on: HookEvent
    script: str
    context: Literal["host"] = "host"


class StepScript(Frozen, kw_only=True):
    """A `prologue` or `epilogue` of a service."""

    script: str
    context: Literal["host", "container"] = "host"


class Mpi(Frozen, kw_only=True):
    """How Slurm wires up the tasks of an MPI program."""

    type: str
    """A plugin of `srun --mpi`, such as `pmix`."""
    expected_ranks: int | None = None


class ServiceSlurm(Frozen, kw_only=True):
    """`services.<name>.x-slurm`: the step of this service. None means: not written."""

    nodes: int | None = None
    ntasks: int | None = None
    ntasks_per_node: int | None = None
    cpus_per_task: int | None = None
    mem: str | None = None
    """Slurm memory size."""
    gres: str | None = None
    gpus: int | None = None
    """Ignored when `gres` is given."""
    gpus_per_node: int | None = None
    gpus_per_task: int | None = None
    cpus_per_gpu: int | None = None
    mem_per_gpu: str | None = None
    time_limit: str | None = None
    """Slurm time of the step."""
    extra_srun_args: tuple[str, ...] = ()
    failure_policy: FailurePolicy = FailurePolicy()
    hooks: tuple[Hook, ...] = ()
    lifecycle: Literal["main", "sidecar"] = "main"
    launch: Literal["srun", "batch"] = "srun"
    ports: tuple[str, ...] = ()
    """Names of free ports to be picked on the service's node."""
    prologue: StepScript | None = None
    epilogue: StepScript | None = None
    mpi: Mpi | None = None


class Prepare(Frozen, kw_only=True):
    """How the image is customised before the job; from `x-enroot.prepare` or `x-runtime.prepare`."""

    commands: tuple[str, ...]
    """Shell text, one command after the other."""
    mounts: tuple[Volume, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    root: bool = True


class Assertions(Frozen, kw_only=True):
    """`assert`: what has to hold when the service has ended."""

    exit_code: int | None = None
    artifacts_contain: tuple[str, ...] = ()
    """Globs below `/hpc-compose/job`, each of which has to match something."""
    max_duration_seconds: int | None = None


class Service(Frozen, kw_only=True):
    """One service. None means: not written."""

    image: str | None = None
    command: Command | None = None
    entrypoint: Command | None = None
    """Of the same form as `command` when both are there."""
    script: str | None = None
    """A shell script instead of `command` and `entrypoint`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """With the contents of `env_file` below the service's own values."""
    env_file: tuple[str, ...] = ()
    """Absolute paths of the files that `environment` already holds."""
    volumes: tuple[Volume, ...] = ()
    working_dir: str | None = None
    depends_on: Mapping[str, Dependency] = field(default_factory=dict)
    readiness: Readiness | None = None
    x_slurm: ServiceSlurm = ServiceSlurm()
    prepare: Prepare | None = None
    asserts: Assertions | None = None
    secrets: tuple[str, ...] = ()
    """Names of top-level secrets that the service gets as variables."""
