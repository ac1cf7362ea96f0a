"""Ports that a service beside a rule names by number, although jobs share the nodes that they run on."""

from __future__ import annotations

from urllib.parse import urlsplit

from compose_core import LoadedSpec
from snakemake_executor_plugin_hpccompose.errors import RuleError

_REMEDY = "Name it in x-slurm.ports and write @{service.port.name}: each job then gets a free one."


def literal_ports(rule: str, loaded: LoadedSpec) -> tuple[str, ...]:
    """A warning for each service that is probed at a fixed port: two jobs on one node would meet there.

    Raises: RuleError: two services of the job have the same one.
    """
    owners: dict[int, str] = {}
    warnings = []
    for name in loaded.spec.services:
        port = _probed(loaded, name)
        if port is None:
            continue
        where = loaded.locate(f"services.{name}.readiness")
        if port in owners:
            what = f"the services {owners[port]!r} and {name!r} both have the port {port}, on one node."
            raise RuleError(rule, what, where=where, remedy=_REMEDY)
        owners[port] = name
        warnings.append(f"{where}: two jobs on one node clash at the port {port} of the service {name!r}. {_REMEDY}")
    return tuple(warnings)


def _probed(loaded: LoadedSpec, name: str) -> int | None:
    """The port of the service's readiness, where it stands there as a number and is one of the node."""
    readiness = loaded.spec.services[name].readiness
    host, port = getattr(readiness, "host", ""), getattr(readiness, "port", None)
    if (url := getattr(readiness, "url", None)) and "@{" not in url:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    is_here = host in ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - recognised, not listened at
    return int(port) if is_here and port is not None and str(port).isdecimal() else None
