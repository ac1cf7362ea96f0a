"""`@{service.host}` and `@{service.port.name}`, and the names of variables that services get for each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.kinds import did_you_mean
from compose_core.spec.models import (
    MASTER_PORT_NAME,
    ExecCommand,
    HttpReadiness,
    Service,
    ShellCommand,
    TcpReadiness,
)
from compose_core.spec.nodes import shortened
from compose_core.spec.rules.look import Look
from compose_core.spec.shell_variables import SET_BY_BASH

_ANY = re.compile(r"@\{[A-Za-z0-9_.-]+\}")
_REFERENCE = re.compile(r"(?P<service>[A-Za-z0-9_.-]+?)\.(?:host|port\.(?P<port>[A-Za-z0-9_-]+))")
_OURS = re.compile(r"HPC_COMPOSE_")

_Place = tuple[tuple[str | int, ...], str, bool]


def references_are_known(look: Look) -> Iterator[Problem]:
    """Every `@{name…}` names a service of the file, and a port that it declares; any other `@{` is text."""
    for name, service in look.spec.services.items():
        for path, text, is_shell in _texts(service):
            for match in _ANY.finditer(text):
                problem = _problem(match[0], look, is_shell=is_shell)
                if problem:
                    code, message, remedy = problem
                    yield look.error(code, message, ("services", name, *path), remedy)


def _texts(service: Service) -> Iterator[_Place]:
    """Every text that the supervisor fills in: its place, itself, and whether it is shell text."""
    for key, command in (("command", service.command), ("entrypoint", service.entrypoint)):
        if isinstance(command, ShellCommand):
            yield (key,), command.text, True
        elif isinstance(command, ExecCommand):
            yield from (((key, position), word, False) for position, word in enumerate(command.argv))
    if service.script is not None:
        yield ("script",), service.script, True
    yield from ((("environment", name), value, False) for name, value in service.environment.items())
    if isinstance(service.readiness, HttpReadiness):
        yield ("readiness", "url"), service.readiness.url, False
    elif isinstance(service.readiness, TcpReadiness):
        yield ("readiness", "host"), service.readiness.host, False
        yield ("readiness", "port"), str(service.readiness.port), False


def _problem(text: str, look: Look, *, is_shell: bool) -> tuple[str, str, str] | None:
    match = _REFERENCE.fullmatch(text[2:-1])
    if not match:
        if is_shell:  # `@{` has meanings of its own in scripts
            return None
        return (
            "reference",
            f"{shortened(text)} is neither @{{service.host}} nor @{{service.port.name}}",
            "Correct it, or write it in another way.",
        )
    service, port = match["service"], match["port"]
    if service not in look.service_names:
        remedy = did_you_mean(service, look.service_names) or look.known_services()
        return "undefined-service", f"{shortened(text)} names '{service}', which is not a service of the file", remedy
    target = look.spec.services.get(service)
    if (
        port is None
        or target is None
        or (port == MASTER_PORT_NAME and target.x_slurm.launch == "srun")
        or port in target.x_slurm.ports
        or not look.is_sound("services", service, "x-slurm", "ports")
    ):
        return None
    declared = ", ".join(target.x_slurm.ports) or "none"
    return (
        "undefined-port",
        f"service '{service}' declares no port '{port}' (declared: {declared})",
        f"Add `x-slurm: {{ports: [{port}]}}` to '{service}'.",
    )


def variable_names_differ(look: Look) -> Iterator[Problem]:
    """`web-1` and `web.1` would both be HPC_COMPOSE_WEB_1_HOST."""
    seen: dict[str, str] = {}
    for name in look.spec.services:
        key = _variable_part(name)
        if key in seen:
            message = f"services '{seen[key]}' and '{name}' would share the variables HPC_COMPOSE_{key}_…"
            yield look.error("service-name", message, ("services", name), "Rename one of them.")
        seen.setdefault(key, name)


def port_names_differ(look: Look) -> Iterator[Problem]:
    """`http-a` and `http_a` would share one variable."""
    for name, service in look.spec.services.items():
        seen: dict[str, str] = {}
        for position, port in enumerate(service.x_slurm.ports):
            key = _variable_part(port)
            if key in seen:
                variable = f"HPC_COMPOSE_{_variable_part(name)}_PORT_{key}"
                message = f"ports '{seen[key]}' and '{port}' of service '{name}' would share the variable {variable}"
                yield look.error(
                    "port-name", message, ("services", name, "x-slurm", "ports", position), "Rename one of them."
                )
            seen.setdefault(key, port)


def ports_take_no_other_services_variable(look: Look) -> Iterator[Problem]:
    """Port `b-host` of `a` and service `a-port-b` would share HPC_COMPOSE_A_PORT_B_HOST."""
    owners = {f"HPC_COMPOSE_{_variable_part(name)}_HOST": name for name in look.spec.services}
    for name, service in look.spec.services.items():
        for position, port in enumerate(service.x_slurm.ports):
            for kind in ("PORT", "URL"):
                variable = f"HPC_COMPOSE_{_variable_part(name)}_{kind}_{_variable_part(port)}"
                owner = owners.setdefault(variable, name)
                if owner != name:
                    message = (
                        f"port '{port}' of service '{name}' and service '{owner}' would share the variable {variable}"
                    )
                    path = ("services", name, "x-slurm", "ports", position)
                    yield look.error("port-name", message, path, "Rename one of them.")


def our_variables_are_left_alone(look: Look) -> Iterator[Problem]:
    """The supervisor sets HPC_COMPOSE_*; what the file says would be lost."""
    for name, service in look.spec.services.items():
        for variable in service.environment:
            if _OURS.match(variable) and not variable.startswith("HPC_COMPOSE_SWEEP_"):
                message = f"{variable} of service '{name}' may be overwritten: names with HPC_COMPOSE_ belong to the supervisor"
                yield look.warning(
                    "reserved-variable", message, ("services", name, "environment", variable), "Choose another name."
                )


def bash_keeps_the_variables(look: Look) -> Iterator[Problem]:
    """A service starts through bash, which refuses or overwrites some variables."""
    for name, service in look.spec.services.items():
        for variable in SET_BY_BASH.intersection(service.environment):
            message = f"{variable} of service '{name}' would not reach the service: bash sets it by itself"
            remedy = f"Set it in the command: `env {variable}=… program`."
            yield look.error("reserved-variable", message, ("services", name, "environment", variable), remedy)


def _variable_part(name: str) -> str:
    return re.sub("[^A-Z0-9]", "_", name.upper())


RULES = (
    references_are_known,
    variable_names_differ,
    port_names_differ,
    ports_take_no_other_services_variable,
    our_variables_are_left_alone,
    bash_keeps_the_variables,
)
