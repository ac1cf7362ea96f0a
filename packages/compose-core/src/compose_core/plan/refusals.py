"""What a valid file may ask for that cannot run here, and what deserves a warning before it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from compose_core.errors import Problem
from compose_core.plan.context import PlanContext
from compose_core.plan.resume import resume_problems
from compose_core.plan.text import VARIABLE_OF_MOUNT
from compose_core.spec import LoadedSpec
from compose_core.spec.executable import not_executed_yet
from compose_core.spec.exposed_values import values_in_script
from compose_core.spec.models import ShellCommand


def plan_problems(loaded: LoadedSpec, context: PlanContext) -> tuple[Problem, ...]:
    """Every finding at once, with its place in the file."""
    found = list(not_executed_yet(loaded))
    for site_check in (
        _no_container_backend,
        _local_engine_limits,
        _local_engine_queues_nothing,
        _local_engine_mpi,
        _warning_without_limit,
        _job_folder_syntax,
        _cleanup_needs_enroot,
        resume_problems,
        _path_of_the_program,
    ):
        found.extend(site_check(loaded, context))
    for file_check in (_mount_syntax, _host_notes, values_in_script, _one_job_of_a_sweep):
        found.extend(file_check(loaded))
    return tuple(found)


def _uses_host(loaded: LoadedSpec) -> bool:
    return loaded.spec.runtime.backend == "host"


def _images(loaded: LoadedSpec) -> list[tuple[str, str]]:
    return [(name, service.image) for name, service in loaded.spec.services.items() if service.image is not None]


def _no_container_backend(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    backend = loaded.spec.runtime.backend
    missing = (
        not context.container_backends if backend is None else backend not in (*context.container_backends, "host")
    )
    if context.engine != "local" or not missing:
        return
    for name, image in _images(loaded):
        what = "neither enroot nor apptainer is" if backend is None else f"{backend} is not"
        yield Problem(
            code="no-container-backend",
            message=f"service {name!r} runs in the image {image!r}, but {what} installed for the local engine",
            where=loaded.locate(f"services.{name}.image"),
            remedy="Install enroot or apptainer, or run the commands of this machine with `runtime: {backend: host}`.",
        )


def _local_engine_limits(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    if context.engine == "local" and (loaded.spec.x_slurm.nodes or 1) > 1:
        yield Problem(
            code="local-engine-nodes",
            message=f"x-slurm.nodes is {loaded.spec.x_slurm.nodes}, but the local engine is one node",
            where=loaded.locate("x-slurm.nodes"),
            remedy="Submit it on a Slurm cluster, or set x-slurm.nodes to 1 to try it here.",
        )


def _local_engine_queues_nothing(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    if context.engine != "local":
        return
    for key in ("after_job", "dependency"):
        if getattr(loaded.spec.x_slurm, key):
            yield Problem(
                code="local-engine-dependency",
                message=f"x-slurm.{key} waits for other jobs, which the local engine does not do: it starts at once",
                where=loaded.locate(f"x-slurm.{key}"),
                remedy="Start it when the other job has ended (`hpcc up` returns then), or submit both on a Slurm cluster.",
            )


def _local_engine_mpi(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    """Without srun each task of an MPI program takes itself for the only one."""
    for name, service in loaded.spec.services.items() if context.engine == "local" else ():
        slurm = service.x_slurm
        if slurm.mpi is not None and (slurm.ntasks or slurm.ntasks_per_node or 1) > 1:
            yield Problem(
                code="local-engine-mpi",
                message=f"service {name!r} starts several MPI tasks, which the local engine does not wire up",
                where=loaded.locate(f"services.{name}.x-slurm.mpi"),
                remedy="Submit it on a Slurm cluster, or let one task call mpirun to try it here.",
            )


def _warning_without_limit(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    """On the local engine only the file can set a time limit."""
    slurm = loaded.spec.x_slurm
    if context.engine == "local" and slurm.signal is not None and slurm.time is None:
        yield Problem(
            code="signal-without-time",
            message="x-slurm.signal never comes on the local engine: the job has no time limit",
            where=loaded.locate("x-slurm.signal"),
            remedy="Set x-slurm.time.",
            severity="warning",
        )


def _job_folder_syntax(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    """The job folder is mounted by its path, in which nothing can be escaped: it is known in the job only."""
    backend = loaded.spec.runtime.backend or next(iter(context.container_backends), "host")
    folder = loaded.spec.x_slurm.runtime_root or str(loaded.project_dir)
    has_whitespace = backend == "enroot" and any(character.isspace() for character in folder)
    if backend == "host" or not _images(loaded) or not (has_whitespace or set(":,") & set(folder)):
        return
    found = "whitespace, which Enroot mounts" if has_whitespace else "`:` or `,`, which mounts"
    yield Problem(
        code="mount-syntax",
        message=f"the job folder lies below {folder!r}; that path holds {found} cannot name",
        where=loaded.locate("x-slurm.runtime_root"),
        remedy="Rename the folder, or set x-slurm.runtime_root to another one.",
    )


def _cleanup_needs_enroot(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    backend = loaded.spec.runtime.backend or next(iter(context.container_backends), None)
    if loaded.spec.x_slurm.cleanup is not None and backend != "enroot":
        yield Problem(
            code="cleanup-without-enroot",
            message="x-slurm.cleanup is about the folders of the enroot backend, and this job does not use it",
            where=loaded.locate("x-slurm.cleanup"),
            remedy="Remove it; Pyxis and Apptainer clean up by themselves, as the site has set them up.",
            severity="warning",
        )


def _path_of_the_program(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    """These backends are a program of the node, which is looked for in PATH, too."""
    backend = loaded.spec.runtime.backend or next(iter(context.container_backends), None)
    if backend not in ("enroot", "apptainer"):
        return
    for name, service in loaded.spec.services.items():
        if "PATH" in service.environment:
            yield Problem(
                code="path-variable",
                message=f"PATH of service {name!r} would also decide where the node finds {backend}",
                where=loaded.locate(f"services.{name}.environment.PATH"),
                remedy="Set it in the command: `env PATH=… program`.",
            )


def _one_job_of_a_sweep(loaded: LoadedSpec) -> Iterator[Problem]:
    """Outside of `hpcc sweep`, the file is one job, and its sweep says nothing."""
    if loaded.spec.sweep is None or loaded.is_trial:
        return
    where = loaded.locate("sweep")
    unset = [name for name, origin in loaded.variables_used.items() if origin == "sweep-example"]
    for name in unset:
        yield Problem(
            code="parameter-without-value",
            message=f"the variable {name} is a parameter of the `sweep`, and has no value in a single job",
            where=where,
            remedy=f"Run the trials with `hpcc sweep submit`, or give it a default for a single job: ${{{name}:-value}}.",
        )
    if unset:
        return
    yield Problem(
        code="sweep-left-out",
        message="the `sweep` of this file is left out: this is one job",
        where=where,
        remedy="`hpcc sweep submit` runs its trials.",
        severity="warning",
    )


def _mount_syntax(loaded: LoadedSpec) -> Iterator[Problem]:
    if _uses_host(loaded):
        return
    for name, service in loaded.spec.services.items():
        for position, volume in enumerate(service.volumes):
            source = str(PurePosixPath(loaded.project_dir) / volume.source)
            if set(":,") & set(source + volume.target):
                yield Problem(
                    code="mount-syntax",
                    message=f"the mount {source!r} holds `:` or `,`, which separate mounts and cannot be escaped",
                    where=loaded.locate(f"services.{name}.volumes[{position}]"),
                    remedy="Rename the folder, or mount one above it.",
                )


def _host_notes(loaded: LoadedSpec) -> Iterator[Problem]:
    """On the host there is no container, so `/hpc-compose/…` in shell text does not exist."""
    if not _uses_host(loaded):
        return
    for name, service in loaded.spec.services.items():
        text = service.command.text if isinstance(service.command, ShellCommand) else service.script or ""
        for mount, variable in VARIABLE_OF_MOUNT.items():
            if mount not in text:
                continue
            key = "script" if service.script is not None else "command"
            yield Problem(
                code="job-folder-in-shell-text",
                message=f"service {name!r} names {mount} in shell text, which is not changed on the host backend",
                where=loaded.locate(f"services.{name}.{key}"),
                remedy=f'Write "${variable}" there; it is right on every backend.',
                severity="warning",
            )
