"""Declared secrets and who uses them."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.kinds import did_you_mean
from compose_core.spec.rules.look import Look


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


RULES = (secrets_are_declared, secrets_are_no_plain_variables, secrets_are_used)
