"""What a service runs, as an argument vector."""

from __future__ import annotations

import re

from compose_core.plan.model import Backend, Text, literal
from compose_core.plan.text import service_text
from compose_core.spec.models import ExecCommand, Service, ShellCommand

_SHEBANG = re.compile(r"#![ \t]*(?:/usr)?/bin/(?:env[ \t]+)?(?P<shell>sh|bash|dash|zsh|ksh)[ \t]*\n")


def command_argv(service: Service, backend: Backend) -> tuple[Text, ...]:
    """The service's command with its entrypoint; empty when the image's own is to run.

    Shell text becomes one argument of `/bin/sh -c` and is never changed, apart from `@{service.…}` placeholders;
    a `script:` that starts with the shebang of a shell is run by that shell.
    """
    if service.script is not None:
        return (*map(literal, (_shell_of(service.script), "-c")), _shell_text(service.script))
    parts = [part for part in (service.entrypoint, service.command) if part is not None]
    if not parts:
        return ()
    if all(isinstance(part, ExecCommand) for part in parts):
        words = [word for part in parts if isinstance(part, ExecCommand) for word in part.argv]
        return tuple(service_text(word, backend) for word in words)
    text = " ".join(part.text for part in parts if isinstance(part, ShellCommand))
    return (literal("/bin/sh"), literal("-c"), _shell_text(text))


def _shell_text(text: str) -> Text:
    """Shell text keeps `/hpc-compose/job` as written: inside it, only the shell may decide what a word means."""
    return service_text(text, "pyxis")


def _shell_of(script: str) -> str:
    match = _SHEBANG.match(script)
    return f"/bin/{match['shell']}" if match else "/bin/sh"
