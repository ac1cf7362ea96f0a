"""Where a service is probed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.models import HttpReadiness, TcpReadiness
from compose_core.spec.rules.look import Look

_URL_HOST = re.compile(r"https?://(?:[^@/?#]*@(?!\{))?(?P<host>\[[^]]*\]|@\{[^}]*\}|[^:/?#]*)")
_LOCAL = re.compile(r"localhost|127(?:\.[0-9]+){0,3}|\[?::1?\]?|0\.0\.0\.0", re.IGNORECASE)


def distributed_services_are_not_local(look: Look) -> Iterator[Problem]:
    """The service runs on several nodes; localhost is only one of them."""
    for name, service in look.spec.services.items():
        readiness = service.readiness
        if not isinstance(readiness, TcpReadiness | HttpReadiness) or not look.is_distributed(service):
            continue
        match = _URL_HOST.match(readiness.url) if isinstance(readiness, HttpReadiness) else None
        host = match["host"] if match else readiness.host if isinstance(readiness, TcpReadiness) else ""
        if _LOCAL.fullmatch(host):
            message = f"service '{name}' spans {look.nodes} nodes; its {readiness.type} readiness asks {host} only"
            remedy = "Name a host with `@{service.host}` or the like, or use a log or sleep readiness."
            yield look.error("local-readiness", message, ("services", name, "readiness"), remedy)


RULES = (distributed_services_are_not_local,)
