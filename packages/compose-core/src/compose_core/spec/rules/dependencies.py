"""`depends_on`."""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.kinds import did_you_mean
from compose_core.spec.rules.look import Look


def dependencies_exist(look: Look) -> Iterator[Problem]:
    """Every dependency is a service of the file."""
    for name, service in look.spec.services.items():
        for other in service.depends_on:
            if other not in look.service_names:
                remedy = did_you_mean(other, look.service_names) or look.known_services()
                message = f"service '{name}' depends on '{other}', which is not a service of the file"
                yield look.error("undefined-service", message, ("services", name, "depends_on", other), remedy)


def dependencies_form_no_circle(look: Look) -> Iterator[Problem]:
    """There is an order in which the services can start."""
    settled: set[str] = set()
    for start in look.spec.services:
        chain = _circle_from(start, look, settled)
        if chain:
            message = f"the services wait for each other in a circle: {' → '.join(chain)}"
            remedy = "Remove one of these dependencies."
            yield look.error("dependency-cycle", message, ("services", chain[0], "depends_on", chain[1]), remedy)


def _circle_from(start: str, look: Look, settled: set[str]) -> list[str]:
    """The first circle that can be reached from a service; empty when there is none. `settled` grows by all that was looked at."""
    trail: list[str] = []
    waiting: list[tuple[str, bool]] = [(start, False)]
    while waiting:
        name, is_left = waiting.pop()
        if is_left:
            settled.add(trail.pop())
            continue
        if name in trail:
            settled.update(trail)
            return [*trail[trail.index(name) :], name]
        if name in settled or name not in look.spec.services:
            continue
        trail.append(name)
        waiting.append((name, True))
        waiting.extend((other, False) for other in look.spec.services[name].depends_on)
    return []


def healthy_needs_readiness(look: Look) -> Iterator[Problem]:
    """`service_healthy` waits for a readiness, so there has to be one."""
    for name, service in look.spec.services.items():
        for other, dependency in service.depends_on.items():
            target = look.spec.services.get(other)
            if dependency.condition != "service_healthy" or target is None or target.readiness is not None:
                continue
            if look.is_sound("services", other, "readiness") and look.is_sound("services", other, "healthcheck"):
                message = f"service '{name}' waits until '{other}' is healthy, but '{other}' has no readiness"
                remedy = f"Add `readiness:` to '{other}', or wait for service_started."
                yield look.error("healthy-without-readiness", message, ("services", name, "depends_on", other), remedy)


def ignored_services_are_no_dependency(look: Look) -> Iterator[Problem]:
    """A service whose failure is ignored can promise nothing."""
    for name, service in look.spec.services.items():
        for other in service.depends_on:
            target = look.spec.services.get(other)
            if target is not None and target.x_slurm.failure_policy.mode == "ignore":
                message = (
                    f"service '{name}' depends on '{other}', whose failures are ignored (failure_policy.mode: ignore)"
                )
                remedy = f"Give '{other}' another failure policy, or remove the dependency."
                yield look.error("depends-on-ignored", message, ("services", name, "depends_on", other), remedy)


def sidecars_do_not_complete(look: Look) -> Iterator[Problem]:
    """A sidecar is stopped when all main services have ended: nobody can wait for its end."""
    for name, service in look.spec.services.items():
        for other, dependency in service.depends_on.items():
            target = look.spec.services.get(other)
            if (
                dependency.condition == "service_completed_successfully"
                and target
                and target.x_slurm.lifecycle == "sidecar"
            ):
                message = (
                    f"service '{name}' waits for the end of '{other}', which is a sidecar and may never end by itself"
                )
                remedy = f"Make '{other}' a main service, or wait for service_healthy."
                yield look.warning("waits-for-sidecar", message, ("services", name, "depends_on", other), remedy)


RULES = (
    dependencies_exist,
    dependencies_form_no_circle,
    healthy_needs_readiness,
    ignored_services_are_no_dependency,
    sidecars_do_not_complete,
)
