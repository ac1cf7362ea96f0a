"""Ports and addresses that may not be what the file takes them for."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.cluster.site import Site
from compose_core.plan.model import Plan
from compose_core.preflight.finding import Finding


def literal_ports(plan: Plan, site: Site) -> Iterator[Finding]:
    """The node's network is shared with other jobs, so a number may be taken."""
    for step in plan.steps:
        readiness = step.readiness
        if readiness is not None and readiness.kind == "tcp" and isinstance(readiness.port, int):
            yield Finding(
                check="ports",
                level="info",
                message=f"service {step.service!r} waits for port {readiness.port}, which another job may have taken",
                remedy=f"Ask for a free one: `x-slurm: {{ports: [http]}}` and `@{{{step.service}.port.http}}`.",
            )


def localhost_on_several_nodes(plan: Plan, site: Site) -> Iterator[Finding]:
    """127.0.0.1 is another machine on each node."""
    if plan.allocation.nodes == 1:
        return
    for step in plan.steps:
        readiness = step.readiness
        host = readiness.host if readiness is not None and readiness.kind == "tcp" else ""
        url = readiness.url if readiness is not None and readiness.kind == "http" else ""
        if host in ("127.0.0.1", "localhost") or "://127.0.0.1" in url or "://localhost" in url:
            yield Finding(
                check="localhost",
                level="info",
                message=f"service {step.service!r} is asked at localhost, which is the primary node only",
                remedy=f"Services on other nodes reach it as `@{{{step.service}.host}}`.",
            )


CHECKS = (literal_ports, localhost_on_several_nodes)
