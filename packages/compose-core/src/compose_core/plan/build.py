"""ComposeSpec → Plan: every default settled, nothing started, nothing read."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from compose_core.errors import HpccError, raise_if_errors
from compose_core.plan.absolute_path import absolute_path
from compose_core.plan.config_text import config_text
from compose_core.plan.context import PlanContext
from compose_core.plan.directives import dependency_of, early_signal, job_directives, job_name
from compose_core.plan.geometry import allocation_of
from compose_core.plan.images import ImageSite, planned_images
from compose_core.plan.logs import log_rules
from compose_core.plan.metrics import metrics_rules
from compose_core.plan.model import (
    Allocation,
    ArtifactRules,
    Backend,
    Decision,
    Plan,
    PlannedImage,
    PlannedStep,
    ResumeRules,
)
from compose_core.plan.order import launch_order
from compose_core.plan.refusals import plan_problems
from compose_core.plan.requests import job_requests
from compose_core.plan.resume import resume_rules
from compose_core.plan.secrets import planned_secrets
from compose_core.plan.step import planned_step
from compose_core.plan.text import below_job
from compose_core.spec import LoadedSpec
from compose_core.spec.models import Artifacts, ComposeSpec

DEFAULT_BATCH_LOG = "slurm-%j.out"
DEFAULT_ARRAY_LOG = "slurm-%A_%a.out"


def build_plan(loaded: LoadedSpec, context: PlanContext) -> Plan:
    """The plan of a compose file at a site; equal inputs give equal plans.

    Raises: SpecError: the file asks for something that this release or this site cannot do, all findings at once.
    """
    spec = loaded.spec
    project_dir = str(loaded.project_dir)
    warnings = raise_if_errors((*loaded.warnings, *plan_problems(loaded, context)))
    backend, backend_reason = runtime_backend(spec, context)
    allocation = allocation_of(spec.x_slurm)
    name, name_reason = job_name(spec, project_dir)
    cache_dir, cache_reason = cache_folder(spec, project_dir, context.home)
    secrets = planned_secrets(loaded, home=context.home)
    config = config_text(loaded)
    resume = resume_rules(loaded, config)
    images = planned_images(spec.services, image_site(loaded, context))
    steps = _planned_steps(
        spec, allocation, images, backend=backend, project_dir=project_dir, home=context.home, resume=resume
    )
    exported = [secret.env for secret in secrets if secret.env is not None]
    return Plan(
        name=name,
        compose_file=str(loaded.source),
        project_dir=project_dir,
        spec_sha256=loaded.sha256,
        backend=backend,
        directives=job_directives(spec, name=name, name_reason=name_reason, exported=exported),
        allocation=allocation,
        setup=spec.x_slurm.setup,
        modules=spec.x_slurm.modules,
        steps=steps,
        requests=job_requests(spec, steps),
        config=config,
        images=images,
        artifacts=_artifact_rules(spec.x_slurm.artifacts),
        resume=resume,
        metrics=metrics_rules(spec.x_slurm.metrics),
        logs=log_rules(spec.x_slurm.logs),
        cache_dir=cache_dir,
        runtime_root=absolute_path(spec.x_slurm.runtime_root, project_dir, context.home),
        batch_log=spec.x_slurm.output or (DEFAULT_ARRAY_LOG if spec.x_slurm.array else DEFAULT_BATCH_LOG),
        array=spec.x_slurm.array,
        dependency=dependency_of(spec.x_slurm),
        runtime_cache=spec.x_slurm.cleanup.runtime_cache if spec.x_slurm.cleanup else "always",
        stop_grace_s=spec.x_slurm.stop_grace_seconds,
        early_signal=early_signal(spec),
        requeue=spec.x_slurm.requeue,
        umask=spec.x_slurm.umask,
        decisions=(
            *_early_decisions(spec),
            Decision(key="name", value=name, reason=name_reason),
            Decision(key="runtime.backend", value=backend, reason=backend_reason),
            Decision(key="x-slurm.cache_dir", value=cache_dir, reason=cache_reason),
            _order_decision(steps),
        ),
        warnings=warnings,
        secrets=secrets,
        secret_values=tuple(loaded.secret_values.values()),
    )


def _planned_steps(
    spec: ComposeSpec,
    allocation: Allocation,
    images: Sequence[PlannedImage],
    *,
    backend: Backend,
    project_dir: str,
    home: str,
    resume: ResumeRules | None,
) -> tuple[PlannedStep, ...]:
    """The steps in the order of their launch."""
    order = launch_order({service: tuple(item.depends_on) for service, item in spec.services.items()})
    image_of = {service: image for image in images for service in image.services}
    return tuple(
        planned_step(
            service,
            spec,
            allocation,
            backend=backend,
            project_dir=project_dir,
            home=home,
            resume=resume,
            image=image_of.get(service),
        )
        for service in order
    )


def _order_decision(steps: Sequence[PlannedStep]) -> Decision:
    names = ", ".join(step.service for step in steps)
    return Decision(key="services", value=names, reason="dependencies first, else in the order of the file")


def runtime_backend(spec: ComposeSpec, context: PlanContext) -> tuple[Backend, str]:
    """The backend of every service, and why it is that one."""
    if spec.runtime.backend is not None:
        return spec.runtime.backend, "as written"
    if all(service.image is None for service in spec.services.values()):
        return "host", "no service names an image"
    if not context.container_backends:
        raise HpccError("no container backend")
    return context.container_backends[0], f"the first that the {context.engine} engine has here"


def _early_decisions(spec: ComposeSpec) -> tuple[Decision, ...]:
    early = early_signal(spec)
    if early is None:
        return ()
    reason = "Slurm sends it, up to a minute earlier" if early.from_slurm else "from Slurm it would look like a cancel"
    value = f"{early.name} to the main services, {early.at_seconds} s before the time limit"
    return (Decision(key="x-slurm.signal", value=value, reason=reason),)


def image_site(loaded: LoadedSpec, context: PlanContext) -> ImageSite:
    """What the image files of this compose file depend on here."""
    project_dir = str(loaded.project_dir)
    return ImageSite(
        backend=runtime_backend(loaded.spec, context)[0],
        project_dir=project_dir,
        home=context.home,
        cache_dir=cache_folder(loaded.spec, project_dir, context.home)[0],
        machine=context.machine,
        digests=context.local_image_digests,
    )


def cache_folder(spec: ComposeSpec, project_dir: str, home: str) -> tuple[str, str]:
    """Where images are kept, and why there."""
    chosen = absolute_path(spec.x_slurm.cache_dir, project_dir, home)
    if chosen is not None:
        return chosen, "x-slurm.cache_dir"
    return posixpath.join(home, ".cache", "hpc-compose"), "the default: set x-slurm.cache_dir to a shared folder"


def _artifact_rules(artifacts: Artifacts | None) -> ArtifactRules | None:
    if artifacts is None:
        return None
    bundles = {"default": artifacts.paths} if artifacts.paths else {}
    bundles |= dict(artifacts.bundles)
    return ArtifactRules(
        collect=artifacts.collect,
        export_dir=artifacts.export_dir,
        bundles=tuple((name, tuple(below_job(path) for path in paths)) for name, paths in bundles.items()),
    )
