"""What planning has to know of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.plan.context import PlanContext

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan.model import Backend


def plan_context(site: Site) -> PlanContext:
    """The facts for `build_plan`; which container backends the nodes of a cluster have cannot be seen from here."""
    on_nodes: tuple[Backend, ...] = ("pyxis", "enroot", "apptainer")
    backends = on_nodes if site.engine_name == "slurm" else site.available_backends
    return PlanContext(engine=site.engine_name, home=str(site.home), container_backends=backends)
