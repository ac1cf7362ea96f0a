"""What can be done with the images of a plan: the verbs that `hpcc` and the adapters share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.errors import UsageError
from compose_core.records.paths import CachePaths
from compose_core.version import __version__

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.plan.model import PlannedImage
    from compose_core.prepare.decisions import Decision
    from compose_core.prepare.make_ready import Progress, Ready


def prepare_images(
    site: Site,
    plan: Plan,
    *,
    services: Sequence[str] = (),
    force: bool = False,
    keep_failed: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Ready, ...]:
    """Every image of the plan (of these services) is ready to be used; what was done for each file.

    Several processes, also on several hosts, may do so at once: one makes an image, the others wait for it.

    Raises: PrepareFailed: some images could not be made.  EnvironmentProblem: a local image is missing.
    """
    from compose_core.prepare.make_ready import ImageMaker

    maker = ImageMaker(
        cache=CachePaths(Path(plan.cache_dir)),
        clock=site.clock,
        host=site.host,
        environment=site.environment,
        programs=site.container_tools,
        tool_version=__version__,
        keep_failed=keep_failed,
    )
    if on_progress is not None:
        maker = replace(maker, on_progress=on_progress)
    return maker.make_ready(images_of(plan, services), force=force)


def image_decisions(plan: Plan, *, services: Sequence[str] = (), force: bool = False) -> tuple[Decision, ...]:
    """What `prepare_images` would do now, and why; nothing is changed."""
    from compose_core.prepare.decisions import decide
    from compose_core.prepare.found import found_images

    images = images_of(plan, services)
    return decide(images, found_images(images, CachePaths(Path(plan.cache_dir))), force=force)


def verify_images(plan: Plan) -> tuple[Decision, ...]:
    """The images as they are, once their content has been compared with their checksums.

    Raises: EnvironmentProblem: one is not there, or not what was made.
    """
    from compose_core.prepare.make_ready import verified_images

    return verified_images(plan.images, CachePaths(Path(plan.cache_dir)))


def images_of(plan: Plan, services: Sequence[str]) -> tuple[PlannedImage, ...]:
    """The images that these services run in; all of the plan when none is named.

    Raises: UsageError: the plan has no such service.
    """
    known = [step.service for step in plan.steps]
    for name in services:
        if name not in known:
            raise UsageError(f"there is no service {name!r}", remedy=f"The file has: {', '.join(known)}.")
    return tuple(image for image in plan.images if not services or set(image.services) & set(services))
