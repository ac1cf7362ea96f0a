"""The programs that the job needs, here and on the nodes as far as that can be seen from here."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.cluster import srun
from compose_core.cluster.runner import Finished
from compose_core.cluster.site import Site
from compose_core.plan.model import Plan
from compose_core.preflight.finding import Finding, ok

_PATIENCE_S = 10.0


def container_program(plan: Plan, site: Site) -> Iterator[Finding]:
    """What imports and customises images, where there are images to be made."""
    if not any(image.base is not None or image.prepare is not None for image in plan.images):
        return
    apptainer = plan.backend == "apptainer"
    program = site.container_tools.apptainer if apptainer else site.container_tools.enroot
    if site.which(program):
        yield ok("container-program", f"{program} is here")
    else:
        yield Finding(
            check="container-program",
            level="error",
            message=f"{program} was not found, and images have to be imported with it",
            remedy=f"Load it, or name it with --{'apptainer' if apptainer else 'enroot'}-bin.",
        )


def runs_containers(plan: Plan, site: Site) -> Iterator[Finding]:
    """On the local engine the container program also runs the services."""
    if site.engine_name != "local" or plan.backend == "host":
        return
    wanted = {"enroot": site.container_tools.enroot, "apptainer": site.container_tools.apptainer}.get(plan.backend)
    if wanted is None or not site.which(wanted):
        yield Finding(
            check="local-backend",
            level="error",
            message=f"the local engine cannot run the {plan.backend} backend here",
            remedy="Install enroot or apptainer, or set `runtime: {backend: host}`.",
        )
    else:
        yield ok("local-backend", f"{wanted} runs the services")


def slurm_programs(plan: Plan, site: Site) -> Iterator[Finding]:
    """What submits the job and starts its steps."""
    if site.engine_name != "slurm":
        return
    wanted = [(site.tools.sbatch, "--sbatch-bin"), (site.tools.srun, "--srun-bin")]
    if plan.allocation.nodes > 1:
        wanted.append((site.tools.scontrol, ""))
    for program, option in wanted:
        if site.which(program):
            yield ok("slurm-programs", f"{program} is here")
        else:
            remedy = "Load the site's Slurm" + (f", or name it with {option}." if option else ".")
            message = f"{program} was not found"
            yield Finding(check="slurm-programs", level="error", message=message, remedy=remedy)


def pyxis_is_there(plan: Plan, site: Site) -> Iterator[Finding]:
    """`srun` knows the options of Pyxis."""
    if site.engine_name != "slurm" or plan.backend != "pyxis" or not site.which(site.tools.srun):
        return
    answer = site.runner.run(srun.help_argv(site.tools.srun), timeout_s=_PATIENCE_S)
    if isinstance(answer, Finished) and srun.offers_containers(answer.stdout + answer.stderr):
        yield ok("pyxis", "srun runs containers by Pyxis")
        return
    yield Finding(
        check="pyxis",
        level="error",
        message=f"`{site.tools.srun} --help` names no --container-image: this srun has no Pyxis",
        remedy="Set `runtime: {backend: enroot}` (or apptainer), or ask the site for Pyxis.",
    )


def mpi_plugins(plan: Plan, site: Site) -> Iterator[Finding]:
    """The MPI plugins that services ask for."""
    wanted = {step.service: step.mpi for step in plan.steps if step.mpi is not None}
    if site.engine_name != "slurm" or not wanted or not site.which(site.tools.srun):
        return
    answer = site.runner.run(srun.mpi_list_argv(site.tools.srun), timeout_s=_PATIENCE_S)
    known = srun.parse_mpi_list(f"{answer.stdout}\n{answer.stderr}") if isinstance(answer, Finished) else frozenset()
    for service, plugin in wanted.items():
        if plugin in known:
            yield ok("mpi", f"srun has the MPI plugin {plugin}")
        elif known:
            yield Finding(
                check="mpi",
                level="error",
                message=f"service {service!r} asks for the MPI plugin {plugin!r}; srun has {', '.join(sorted(known))}",
                remedy="Choose one of these as x-slurm.mpi.type.",
            )
        else:
            yield Finding(
                check="mpi",
                level="info",
                message=f"`{site.tools.srun} --mpi=list` does not say whether it has {plugin!r}",
            )


def metrics_programs(plan: Plan, site: Site) -> Iterator[Finding]:
    """The programs that metrics come from; those of the nodes cannot be seen from here."""
    rules = plan.metrics
    if rules is None:
        return
    programs = {"gpu": ("nvidia-smi", "amd-smi", "rocm-smi"), "slurm": (site.tools.sstat,), "cpu": ()}
    for collector in rules.collectors:
        known = programs.get(collector, ())
        if known and not any(site.which(program) for program in known):
            yield Finding(
                check="metrics-programs",
                level="info",
                message=f"the collector {collector!r} needs {' or '.join(known)}; none is on this machine",
                remedy="Nothing, if the nodes have it; else leave the collector out.",
            )


CHECKS = (container_program, runs_containers, slurm_programs, pyxis_is_there, mpi_plugins, metrics_programs)
