"""What a backend, a launch mode and a container mount allow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.models import ExecCommand, Service, Volume
from compose_core.spec.rules.look import Look

_RESUME_MOUNT = "/hpc-compose/resume"
_NAMES_RESUME_MOUNT = re.compile(re.escape(_RESUME_MOUNT) + r"(?=/|$|[^A-Za-z0-9_.-])")
_STEP_KEYS = (
    "nodes",
    "ntasks",
    "ntasks_per_node",
    "extra_srun_args",
    "mpi",
    "time_limit",
    "gres",
    "gpus",
    "cpus_per_task",
    "mem",
)
_NAMED_VOLUME = re.compile(r"[A-Za-z0-9_-]+")


def the_host_mounts_nothing(look: Look) -> Iterator[Problem]:
    """Volumes and prepared images belong to containers."""
    for name, service in look.spec.services.items():
        if look.spec.runtime.backend == "host":
            yield from _container_keys(look, name, service, "the host backend")
        elif service.x_slurm.launch == "batch":
            yield from _container_keys(look, name, service, "`launch: batch`")


def _container_keys(look: Look, name: str, service: Service, where: str) -> Iterator[Problem]:
    if service.volumes:
        message = f"`volumes` of service '{name}' cannot be mounted: {where} has no container"
        remedy = "Use the host's paths in the command, or choose another backend."
        yield look.error("volumes-on-host", message, ("services", name, "volumes"), remedy)
    if service.prepare is not None:
        message = f"`prepare` of service '{name}' has no image to work on: {where} has no container"
        yield look.error("prepare-backend", message, ("services", name, "prepare"), "Use x-slurm.setup or the command.")
    for key, script in (("prologue", service.x_slurm.prologue), ("epilogue", service.x_slurm.epilogue)):
        if script is not None and script.context == "container":
            message = f"`{key}` of service '{name}' cannot run in a container: {where} has none"
            yield look.error(
                "context-on-host", message, ("services", name, "x-slurm", key, "context"), "Write `context: host`."
            )


def batch_launch_is_for_the_host(look: Look) -> Iterator[Problem]:
    """A child of the batch step is no step: it runs on the node itself, whatever the backend, and srun's options have no meaning."""
    for name, service in look.spec.services.items():
        if service.x_slurm.launch != "batch":
            continue
        path = ("services", name, "x-slurm")
        if service.image is not None and look.spec.runtime.backend != "host":
            message = f"service '{name}' has an `image`, but `launch: batch` runs it on the node itself"
            yield look.error(
                "launch-batch",
                message,
                (*path, "launch"),
                "Remove `image`, or remove `launch` to run it in a container.",
            )
        for key in _STEP_KEYS:
            if look.has(*path, key):
                message = f"`{key}` of service '{name}' belongs to a step; `launch: batch` starts none"
                yield look.error(
                    "launch-batch", message, (*path, key), "Remove it: the service sees the whole allocation."
                )


def targets_differ(look: Look) -> Iterator[Problem]:
    """Two mounts at one place hide each other."""
    for name, service in look.spec.services.items():
        lists: list[tuple[tuple[str | int, ...], tuple[Volume, ...]]] = [
            (("services", name, "volumes"), service.volumes)
        ]
        if service.prepare is not None:
            lists.append((("services", name, "prepare", "mounts"), service.prepare.mounts))
        for path, volumes in lists:
            seen: dict[str, int] = {}
            for position, volume in enumerate(volumes):
                if volume.target in seen:
                    message = f"{volume.target} is mounted twice, by items {seen[volume.target]} and {position}"
                    yield look.error("volume-target", message, (*path, position), "Keep one of them.")
                seen.setdefault(volume.target, position)


def resume_keeps_its_mount(look: Look) -> Iterator[Problem]:
    """With `resume`, its folder is mounted at a fixed place."""
    if look.spec.x_slurm.resume is None:
        return
    for name, service in look.spec.services.items():
        for position, volume in enumerate(service.volumes):
            if volume.target == _RESUME_MOUNT or volume.target.startswith(f"{_RESUME_MOUNT}/"):
                message = f"{volume.target} is reserved: x-slurm.resume is mounted at {_RESUME_MOUNT}"
                yield look.error(
                    "reserved-path", message, ("services", name, "volumes", position), "Choose another container path."
                )


def the_resume_mount_needs_resume(look: Look) -> Iterator[Problem]:
    """Without `resume`, nothing is there."""
    if look.spec.x_slurm.resume is not None:
        return
    for name, service in look.spec.services.items():
        fields: dict[tuple[str, ...], object] = {
            ("command",): service.command,
            ("entrypoint",): service.entrypoint,
            ("working_dir",): service.working_dir,
            **{("environment", key): value for key, value in service.environment.items()},
        }
        for key, value in fields.items():
            words = value.argv if isinstance(value, ExecCommand) else (value,)
            if any(isinstance(word, str) and _NAMES_RESUME_MOUNT.search(word) for word in words):
                message = (
                    f"`{'.'.join(key)}` of service '{name}' names {_RESUME_MOUNT}, and the file has no x-slurm.resume"
                )
                remedy = "Set x-slurm.resume.path to a folder on shared storage, or use another path."
                yield look.error("resume-mount", message, ("services", name, *key), remedy)


def named_volumes_are_folders(look: Look) -> Iterator[Problem]:
    """`data:/data` names a volume in Docker and a folder here."""
    for name, service in look.spec.services.items():
        for position, volume in enumerate(service.volumes):
            if _NAMED_VOLUME.fullmatch(volume.source):
                message = (
                    f"there are no named volumes: {volume.source!r} is the folder of that name beside the compose file"
                )
                remedy = f"Write ./{volume.source} to say so."
                yield look.warning("named-volume", message, ("services", name, "volumes", position), remedy)


RULES = (
    the_host_mounts_nothing,
    batch_launch_is_for_the_host,
    targets_differ,
    resume_keeps_its_mount,
    the_resume_mount_needs_resume,
    named_volumes_are_folders,
)
