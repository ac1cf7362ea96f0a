"""Declared secrets and who uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.kinds import did_you_mean
from compose_core.spec.raw_options import sbatch_options
from compose_core.spec.rules.look import Look
from compose_core.spec.shell_variables import SET_BY_BASH

_RESERVED = re.compile(
    r"(?:HPC_COMPOSE|SLURM|SLURMD|SBATCH|SRUN|SALLOC|SPANK|PYXIS|ENROOT|APPTAINERENV|SINGULARITYENV|PMI2?|PMIX|OMPI)_.*"
    r"|LD_(?:PRELOAD|LIBRARY_PATH|AUDIT|DEBUG|BIND_NOW)|BASH.*|ENV|ENVIRONMENT|PATH|HOME|SHELL|USER|LOGNAME|PWD|OLDPWD"
    r"|HOSTNAME|TMPDIR|LANG|LC_.*|IFS|PS[0-4]|POSIXLY_CORRECT|REPLY|OPTARG|OPTERR|COLUMNS|LINES|APPTAINER_NO_EVAL"
)
"""What Slurm, container programs, the supervisor or a shell set, read at their start, or change by themselves."""


def secrets_are_declared(look: Look) -> Iterator[Problem]:
    """A service can ask only for what the top level declares."""
    declared = tuple(look.spec.secrets)
    for name, service in look.spec.services.items():
        for position, secret in enumerate(service.secrets):
            if secret not in declared and look.is_sound("secrets"):
                remedy = did_you_mean(secret, declared) or f"Add `secrets: {{{secret}: {{file: …}}}}` at the top level."
                message = f"service '{name}' asks for the secret '{secret}', which is not declared"
                yield look.error("undefined-secret", message, ("services", name, "secrets", position), remedy)


def secrets_are_no_plain_variables(look: Look) -> Iterator[Problem]:
    """One variable has one value."""
    for name, service in look.spec.services.items():
        for position, secret in enumerate(service.secrets):
            if secret in service.environment:
                message = f"{secret} of service '{name}' is a secret and stands in `environment` too"
                yield look.error(
                    "secret-and-variable",
                    message,
                    ("services", name, "secrets", position),
                    "Remove it from `environment`.",
                )


def secrets_are_used(look: Look) -> Iterator[Problem]:
    """A secret that no service asks for reaches nobody."""
    used = {secret for service in look.spec.services.values() for secret in service.secrets}
    for secret in look.spec.secrets:
        if secret not in used and look.is_sound("services"):
            message = f"no service asks for the secret '{secret}'"
            yield look.warning(
                "unused-secret", message, ("secrets", secret), f"Add `secrets: [{secret}]` to a service."
            )


def secret_names_are_free(look: Look) -> Iterator[Problem]:
    """A secret is set in a service and taken away from everything else, which some variables cannot bear."""
    for name, secret in look.spec.secrets.items():
        for variable, path in ((name, ("secrets", name)), (secret.env, ("secrets", name, "env"))):
            if variable is not None and (_RESERVED.fullmatch(variable) or variable in SET_BY_BASH):
                message = f"{variable} cannot be a secret: programs of the job need it, or Slurm or the shell sets it"
                yield look.error("reserved-variable", message, path, "Choose another name.")


def secret_variables_reach_the_job(look: Look) -> Iterator[Problem]:
    """sbatch passes a variable on only when its list of exports says so; ours is written into x-slurm.export."""
    if not any(secret.env is not None for secret in look.spec.secrets.values()):
        return
    slurm = look.spec.x_slurm
    remedy = "Write a list of names, NONE or ALL as x-slurm.export: the secrets' variables are added to it."
    if slurm.export is not None and slurm.export.strip().upper() == "NIL":
        message = "with --export=NIL no variable reaches the job, and a secret comes from one"
        yield look.error("secret-export", message, ("x-slurm", "export"), remedy)
    for option in sbatch_options(slurm.submit_args):
        if option.option in ("--export", "--export-file"):
            message = f"a secret comes from a variable, which {option.option} among submit_args may keep from the job"
            yield look.error("secret-export", message, ("x-slurm", "submit_args", option.position), remedy)


RULES = (
    secrets_are_declared,
    secrets_are_no_plain_variables,
    secrets_are_used,
    secret_names_are_free,
    secret_variables_reach_the_job,
)
