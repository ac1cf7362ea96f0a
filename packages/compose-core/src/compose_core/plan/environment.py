"""The variables that a service starts with, beside those that the supervisor adds."""

from __future__ import annotations

from compose_core.plan.model import Backend, EnvironmentEntry, Text, literal
from compose_core.plan.resume import resume_environment
from compose_core.plan.text import JOB_MOUNT, service_text
from compose_core.spec.models import Service
from compose_core.spec.redaction import is_secret_name


def service_environment(
    service: Service, backend: Backend, *, cpus: Text | None, inner_srun_cpus: Text | None, resumes: bool = False
) -> tuple[EnvironmentEntry, ...]:
    """The service's own variables in the order of the file, then those that its backend and CPUs call for.

    `cpus` are those of one task, when they are the service's own; `inner_srun_cpus` is what a task of a step that the service itself
    starts gets, because srun no longer takes that from the job.  Source: srun(1) of Slurm 22.05, SRUN_CPUS_PER_TASK.
    """
    own = tuple(
        EnvironmentEntry(
            name=name, value=service_text(value, backend), reason="environment", secret=is_secret_name(name)
        )
        for name, value in service.environment.items()
    )
    given = {entry.name for entry in own}
    return own + tuple(entry for entry in _added(backend, cpus, inner_srun_cpus, resumes) if entry.name not in given)


def _added(backend: Backend, cpus: Text | None, inner_srun_cpus: Text | None, resumes: bool) -> list[EnvironmentEntry]:
    entries = []
    if backend != "host":
        entries.append(
            EnvironmentEntry(
                name="HPC_COMPOSE_JOB_DIR", value=literal(JOB_MOUNT), reason="where the job folder is mounted"
            )
        )
    if backend != "host" and resumes:
        entries += resume_environment()
    if backend in ("pyxis", "enroot"):
        entries.append(
            EnvironmentEntry(
                name="ENROOT_LOGIN_SHELL", value=literal("n"), reason="a login shell would replace the image's PATH"
            )
        )
    wanted = (("SRUN_CPUS_PER_TASK", inner_srun_cpus), ("OMP_NUM_THREADS", cpus))
    entries += [
        EnvironmentEntry(name=name, value=value, reason="the CPUs of one task")
        for name, value in wanted
        if value is not None
    ]
    return entries
