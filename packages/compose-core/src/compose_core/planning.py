"""What planning has to know of a site."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.plan.context import PlanContext

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan.model import Backend
    from compose_core.spec import LoadedSpec


def plan_context(site: Site, loaded: LoadedSpec | None = None) -> PlanContext:
    """The facts for `build_plan`; which container backends the nodes of a cluster have cannot be seen from here.

    With the compose file, also the content of the local images that it customises.
    """
    on_nodes: tuple[Backend, ...] = ("pyxis", "enroot", "apptainer")
    backends = on_nodes if site.engine_name == "slurm" else site.available_backends
    context = PlanContext(
        engine=site.engine_name, home=str(site.home), container_backends=backends, machine=platform.machine()
    )
    digests = _local_image_digests(loaded, context) if loaded is not None else {}
    return replace(context, local_image_digests=digests) if digests else context


def cache_dir_of(site: Site, loaded: LoadedSpec) -> Path:
    """The image cache of this file, whether or not its services can run here."""
    from compose_core.plan.build import cache_folder

    return Path(cache_folder(loaded.spec, str(loaded.project_dir), str(site.home))[0])


def _local_image_digests(loaded: LoadedSpec, context: PlanContext) -> dict[str, str]:
    """Only of images that something is built on, because reading a large one takes seconds."""
    customised = [service for service in loaded.spec.services.values() if service.prepare and service.image]
    if not customised or loaded.spec.runtime.backend == "host":
        return {}
    from compose_core.plan.build import cache_folder
    from compose_core.plan.images import local_image_path
    from compose_core.prepare.local_digests import local_digests
    from compose_core.records.paths import CachePaths

    found = (
        local_image_path(str(service.image), project_dir=str(loaded.project_dir), home=context.home)
        for service in customised
    )
    cache_dir, _ = cache_folder(loaded.spec, str(loaded.project_dir), context.home)
    return local_digests([path for path in found if path is not None], CachePaths(Path(cache_dir)))
