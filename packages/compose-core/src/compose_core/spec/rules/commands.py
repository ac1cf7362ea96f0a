"""`command`, `entrypoint`, `script`, `working_dir`."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.models import Service
from compose_core.spec.rules.look import Look


def forms_match(look: Look) -> Iterator[Problem]:
    """`entrypoint` and `command` are joined, so both have the same form."""
    for name, service in look.spec.services.items():
        if service.command and service.entrypoint and type(service.command) is not type(service.entrypoint):
            message = (
                f"`entrypoint` and `command` of service '{name}' must have the same form: both a string, or both a list"
            )
            yield look.error("command-forms", message, ("services", name, "entrypoint"), "Write both as lists.")


def script_stands_alone(look: Look) -> Iterator[Problem]:
    """`script` is the whole program."""
    for name, service in look.spec.services.items():
        for key in ("command", "entrypoint"):
            if look.has("services", name, "script") and look.has("services", name, key) and service.script is not None:
                message = f"`script` and `{key}` of service '{name}' exclude each other"
                yield look.error(
                    "script-and-command",
                    message,
                    ("services", name, key),
                    f"Remove `{key}`, or move the script into it.",
                )


def working_dir_needs_a_command(look: Look) -> Iterator[Problem]:
    """The image's own command starts in the image's own folder."""
    for name, service in look.spec.services.items():
        if service.working_dir is not None and not _runs_something(service) and _commands_are_sound(look, name):
            message = f"`working_dir` of service '{name}' needs an explicit `command`, `entrypoint` or `script`"
            yield look.error(
                "working-dir-without-command", message, ("services", name, "working_dir"), "Add `command:`."
            )


def working_dir_of_a_container_is_absolute(look: Look) -> Iterator[Problem]:
    """A container has no folder that a relative path could start from."""
    for name, service in look.spec.services.items():
        if _runs_on_the_node(look, service):
            continue
        if service.working_dir is not None and not service.working_dir.startswith(("/", "@{")):
            message = f"`working_dir` of service '{name}' must be an absolute path in the container; {service.working_dir!r} was found"
            yield look.error(
                "working-dir",
                message,
                ("services", name, "working_dir"),
                f"Write /{service.working_dir.removeprefix('./')}.",
            )


def host_services_have_a_command(look: Look) -> Iterator[Problem]:
    """Without an image there is no default command."""
    for name, service in look.spec.services.items():
        if not _runs_on_the_node(look, service):
            continue
        if not _runs_something(service) and _commands_are_sound(look, name):
            where = "the host backend" if look.spec.runtime.backend == "host" else "`launch: batch`"
            message = f"service '{name}' has no `command`, `entrypoint` or `script`, and {where} has no image to take one from"
            yield look.error("command-required", message, ("services", name), "Add `command:`.")


def _runs_on_the_node(look: Look, service: Service) -> bool:
    return look.spec.runtime.backend == "host" or service.x_slurm.launch == "batch"


def _runs_something(service: Service) -> bool:
    return service.command is not None or service.entrypoint is not None or service.script is not None


def _commands_are_sound(look: Look, name: str) -> bool:
    return all(look.is_sound("services", name, key) for key in ("command", "entrypoint", "script"))


RULES = (
    forms_match,
    script_stands_alone,
    working_dir_needs_a_command,
    working_dir_of_a_container_is_absolute,
    host_services_have_a_command,
)
