"""Variables that a program gives to every service of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compose_core.spec.loaded import LoadedSpec


def with_environment(loaded: LoadedSpec, environment: Mapping[str, str]) -> LoadedSpec:
    """The spec whose services all have these variables, over their own; the values are taken as they are."""
    if not environment:
        return loaded
    services = {
        name: replace(service, environment={**service.environment, **environment})
        for name, service in loaded.spec.services.items()
    }
    return replace(loaded, spec=replace(loaded.spec, services=services))
