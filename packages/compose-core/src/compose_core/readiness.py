"""What happens between a plan and its submission when nobody sits in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan

PreflightMode = Literal["off", "warn", "strict"]
"""Which findings keep a job from being submitted; with `off` nothing is looked at."""


def make_ready(site: Site, plan: Plan, *, prepare: bool, preflight: PreflightMode) -> list[str]:
    """What preflight finds is fit, and every image is there: made if `prepare`, else only compared with its checksum.

    Returns what is worth telling about that.
    Raises: PreflightFailed: something is missing.  PrepareFailed: an image could not be made.  EnvironmentProblem: one is not there.
    """
    from compose_core.images import prepare_images, verify_images
    from compose_core.preflight.checks import checked

    said = checked(plan, site, strict=preflight == "strict") if preflight != "off" else []
    if plan.images and prepare:
        prepare_images(site, plan)
    elif plan.images:
        verify_images(plan)
    return said
