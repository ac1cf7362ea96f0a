"""How a service's command is started: srun's options, and the program that enters the container."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.frozen import Frozen
from compose_core.plan.geometry import StepGeometry
from compose_core.plan.model import Backend, Literally, Mount, PlannedImage, Text, Variable, literal
from compose_core.plan.mounts import enroot_mount, mount_flags
from compose_core.spec.models import ServiceSlurm

STEP_NAME_PREFIX = "hpc-compose:"
ENROOT_SCRIPT = "enroot.rc"
"""The command script that the supervisor writes into the job folder."""


def srun_options(
    token: str,
    slurm: ServiceSlurm,
    geometry: StepGeometry,
    *,
    requests: Sequence[Text],
    multi_node: bool,
    container: Sequence[Text],
) -> tuple[Text, ...]:
    """Everything between `srun` and the command.

    Steps overlap, or each would take the memory of the whole job and the next one would wait; `--export=ALL` because a job
    submitted with `--export=NONE` would start its steps without PATH.  Source: srun(1) of Slurm 22.05.
    """
    options: list[Text] = [
        literal("--overlap"),
        literal("--export=ALL"),
        literal(f"--job-name={STEP_NAME_PREFIX}{token}"),
        literal(f"--nodes={geometry.nodes}"),
        literal(f"--ntasks={geometry.ntasks}"),
    ]
    if geometry.ntasks_per_node is not None:
        options.append(literal(f"--ntasks-per-node={geometry.ntasks_per_node}"))
    if geometry.ntasks > 1:
        options.append(literal("--kill-on-bad-exit=1"))
    if slurm.mpi is not None:
        options.append(literal(f"--mpi={slurm.mpi.type}"))
    if geometry.cpus_per_task is not None:
        options.append((Literally("--cpus-per-task="), *geometry.cpus_per_task))
    options.extend(requests)
    if multi_node and geometry.placement == "primary_node":
        options.append((Literally("--nodelist="), Variable("HPC_COMPOSE_PRIMARY_NODE")))
    options.extend(container)
    options.extend(literal(argument) for argument in slurm.extra_srun_args)
    return tuple(options)


class Container(Frozen, kw_only=True):
    """What a service's command runs in: its image with what it sees there, or nothing but the host."""

    backend: Backend
    image: PlannedImage | None
    mounts: Sequence[Mount]
    variables: Sequence[str]
    """Those that reach the service."""
    working_dir: str | None

    def srun_options(self) -> tuple[Text, ...]:
        """How srun enters it; empty unless it is srun that does."""
        if self.image is None or self.backend != "pyxis":
            return ()
        return _pyxis_options(self.image, self.mounts, self.variables, self.working_dir)

    def argv(self, command: Sequence[Text]) -> tuple[Text, ...]:
        """The program that runs as the step's task: the command itself, or the one that enters the container with it."""
        if self.image is None or self.backend in ("host", "pyxis"):
            return tuple(command)
        if self.backend == "enroot":
            started = _enroot_start(self.image, self.mounts, self.variables)
            return (*started, *_in_folder(self.working_dir, command))
        return (*_apptainer_exec(self.image, self.mounts, self.working_dir), *command)


def own_command(backend: Backend) -> tuple[Text, ...]:
    """What runs an image's own entrypoint and command, in the image's own folder.

    Source: enroot's image format, `/etc/rc`, which Pyxis' images have as well; the runscript of apptainer run(1).
    """
    script = "/.singularity.d/runscript" if backend == "apptainer" else "/etc/rc"
    return (literal("/bin/sh"), literal(script))


def _pyxis_options(
    image: PlannedImage, mounts: Sequence[Mount], variables: Sequence[str], working_dir: str | None
) -> tuple[Text, ...]:
    """Pyxis' part of the srun options.

    Variables that must win over the image's are named in `--container-env`; the root file system is writable, as in Compose.
    Source: srun(1) with Pyxis 0.24.
    """
    options: list[Text] = [literal(f"--container-image={image.runtime_path}"), literal("--container-writable")]
    joined: list[Literally | Variable] = [Literally("--container-mounts=")]
    for position, mount in enumerate(mounts):
        joined += [Literally("," if position else ""), *mount_flags(mount)]
    options.append(tuple(joined))
    options.append(literal("--container-env=" + ",".join(variables)))
    if working_dir is not None:
        options.append(literal(f"--container-workdir={working_dir}"))
    return tuple(options)


def _enroot_start(image: PlannedImage, mounts: Sequence[Mount], variables: Sequence[str]) -> tuple[Text, ...]:
    """The supervisor's command script stands in for the image's, which would hand the command to the image's entrypoint.

    Source: enroot start(1).
    """
    words: list[Text] = [literal("enroot"), literal("start"), literal("--rw"), literal("--rc")]
    words.append((Variable("HPC_COMPOSE_JOB_ROOT"), Literally(f"/{ENROOT_SCRIPT}")))
    for mount in mounts:
        words += [literal("--mount"), enroot_mount(mount)]
    for variable in variables:
        words += [literal("--env"), literal(variable)]
    return (*words, literal(image.runtime_path))


def _apptainer_exec(image: PlannedImage, mounts: Sequence[Mount], working_dir: str | None) -> tuple[Text, ...]:
    """Source: apptainer exec(1)."""
    words: list[Text] = [literal("apptainer"), literal("exec"), literal("--writable-tmpfs")]
    for mount in mounts:
        words += [literal("--bind"), mount_flags(mount)]
    if working_dir is not None:
        words += [literal("--pwd"), literal(working_dir)]
    return (*words, literal(image.runtime_path))


def _in_folder(working_dir: str | None, command: Sequence[Text]) -> tuple[Text, ...]:
    """Enroot has no option for the working directory, so a shell changes into it first."""
    if working_dir is None:
        return tuple(command)
    return (*map(literal, ("/bin/sh", "-c", 'cd -- "$0" && exec "$@"', working_dir)), *command)
