"""Which trials can be tasks of one array: those that ask the scheduler for the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from compose_core.plan.build import DEFAULT_ARRAY_LOG, DEFAULT_BATCH_LOG
from compose_core.plan.model import Directive, Plan, PlannedImage, PlannedStep

Shape = tuple[Any, ...]


def shape_of(plan: Plan) -> Shape:
    """Equal for trials that can share an array: all `#SBATCH` lines but the name, and what one job record says for all."""
    lines = tuple((line.option, line.value, line.raw) for line in plan.directives if line.option != "--job-name")
    secrets = tuple((secret.name, secret.file, secret.env) for secret in plan.secrets)
    return (lines, secrets, plan.runtime_root, plan.cache_dir, plan.batch_log, plan.backend, plan.requeue)


def array_plan(plans: Sequence[Plan], *, name: str, throttle: int | None) -> Plan:
    """The plan that stands for an array of these trials, which have one shape; its steps are those of the first."""
    first = plans[0]
    names = {plan.name for plan in plans}
    job_name = first.name if len(names) == 1 else name
    limit = f"%{throttle}" if throttle is not None and throttle < len(plans) else ""
    array = f"0-{len(plans) - 1}{limit}"
    titles = [line for line in first.directives if line.option == "--job-name"]
    others = [line for line in first.directives if line.option != "--job-name"]
    return replace(
        first,
        name=job_name,
        directives=(
            *(Directive(option=title.option, value=job_name, reason=title.reason) for title in titles),
            Directive(option="--array", value=array, reason="one task for each trial"),
            *others,
        ),
        array=array,
        batch_log=DEFAULT_ARRAY_LOG if first.batch_log == DEFAULT_BATCH_LOG else first.batch_log,
        images=images_of_all(plans),
        resume=None,
    )


def images_of_all(plans: Sequence[Plan]) -> tuple[PlannedImage, ...]:
    """Every image that some trial runs in, once."""
    found: dict[object, PlannedImage] = {}
    for plan in plans:
        for image in plan.images:
            found.setdefault((image.runtime_path, image.reference, image.prepare), image)
    return tuple(found.values())


def plan_to_check(plans: Sequence[Plan]) -> Plan:
    """One plan that needs whatever any of the trials needs: for checks, and for making images ready."""
    steps: dict[object, PlannedStep] = {}
    for plan in plans:
        for step in plan.steps:
            steps.setdefault((step.service, step.mounts, step.image, step.argv[:1]), step)
    return replace(plans[0], steps=tuple(steps.values()), images=images_of_all(plans))
