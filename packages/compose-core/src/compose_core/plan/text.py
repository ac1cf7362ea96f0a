"""Values of a spec as Text: what is fixed at plan time, and what the node fills in."""

from __future__ import annotations

import posixpath
import re

from compose_core.plan.model import Backend, Literally, Text, Variable

JOB_MOUNT = "/hpc-compose/job"
"""Where every container sees the job folder; on the host backend it stands for the real folder."""

RESUME_MOUNT = "/hpc-compose/resume"
"""Where every container sees the folder of x-slurm.resume; on the host backend it stands for that folder."""

_PLACEHOLDER = re.compile(r"@\{(?P<service>[A-Za-z0-9_.-]+)\.(?:(?P<host>host)|port\.(?P<port>[A-Za-z0-9_-]+))\}")
VARIABLE_OF_MOUNT = {JOB_MOUNT: "HPC_COMPOSE_JOB_DIR", RESUME_MOUNT: "HPC_COMPOSE_RESUME_DIR"}
_MOUNT = re.compile(f"(?P<mount>{'|'.join(map(re.escape, VARIABLE_OF_MOUNT))})" + r"(?=/|$|[^A-Za-z0-9_.-])")
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9]")


def variable_part(name: str) -> str:
    """A service or port name as part of an environment variable: upper case, other characters as `_`."""
    return _NOT_IN_NAMES.sub("_", name.upper())


def host_variable(service: str) -> str:
    """The variable that holds the host of this service."""
    return f"HPC_COMPOSE_{variable_part(service)}_HOST"


def port_variable(service: str, port: str) -> str:
    """The variable that holds this port number of this service."""
    return f"HPC_COMPOSE_{variable_part(service)}_PORT_{variable_part(port)}"


def url_variable(service: str, port: str) -> str:
    """The variable that holds the address of this port of this service as a URL."""
    return f"HPC_COMPOSE_{variable_part(service)}_URL_{variable_part(port)}"


def below_job(path: str) -> str:
    """A path in the job folder, written with or without the folder, relative to it; the folder itself stands for all in it."""
    return posixpath.normpath(path).removeprefix(JOB_MOUNT).lstrip("/") or "**"


def service_text(value: str, backend: Backend) -> Text:
    """`value` with `@{service.host}`, `@{service.port.name}` and, on the host backend, our mounts as variables."""
    parts: list[Literally | Variable] = []
    for piece in _split_placeholders(value):
        if isinstance(piece, Variable) or backend != "host":
            parts.append(piece)
        else:
            parts.extend(_split_mounts(piece.text))
    return tuple(part for part in parts if part != Literally(""))


def _split_placeholders(value: str) -> list[Literally | Variable]:
    parts: list[Literally | Variable] = []
    position = 0
    for match in _PLACEHOLDER.finditer(value):
        parts.append(Literally(value[position : match.start()]))
        name = host_variable(match["service"]) if match["host"] else port_variable(match["service"], match["port"])
        parts.append(Variable(name))
        position = match.end()
    parts.append(Literally(value[position:]))
    return parts


def _split_mounts(value: str) -> list[Literally | Variable]:
    parts: list[Literally | Variable] = []
    position = 0
    for match in _MOUNT.finditer(value):
        parts += [Literally(value[position : match.start()]), Variable(VARIABLE_OF_MOUNT[match["mount"]])]
        position = match.end()
    parts.append(Literally(value[position:]))
    return parts
