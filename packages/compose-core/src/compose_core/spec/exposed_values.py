"""Values that look secret and would stand in the job script."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.effective import plain
from compose_core.spec.loaded import LoadedSpec
from compose_core.spec.redaction import is_secret_name


def values_in_script(loaded: LoadedSpec) -> Iterator[Problem]:
    """A warning for each of them: written in `environment`, or filled in from a variable anywhere."""
    for name, service in loaded.spec.services.items():
        for variable, value in service.environment.items():
            if value and is_secret_name(variable):
                message = f"the value of {variable} looks secret and would stand in the job script"
                yield _exposed(loaded, message, f"services.{name}.environment.{variable}", variable)
    standing = str(plain(loaded.spec)) if loaded.secret_values else ""
    for variable, value in loaded.secret_values.items():
        if value in standing:
            message = f"${{{variable}}} looks secret, and its value would stand in the job script"
            yield _exposed(loaded, message, "services", variable)


def _exposed(loaded: LoadedSpec, message: str, place: str, variable: str) -> Problem:
    remedy = f"Declare `secrets: {{{variable}: {{env: {variable}}}}}`, and name it in the service's `secrets:` instead."
    return Problem(
        code="secret-in-script", message=message, where=loaded.locate(place), remedy=remedy, severity="warning"
    )
