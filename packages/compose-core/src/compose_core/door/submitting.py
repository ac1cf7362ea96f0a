"""From what the door is told to a plan that can be submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.door.requests import SubmitArguments
from compose_core.errors import UsageError
from compose_core.spec import load_spec

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.spec import LoadedSpec


def plan_of(site: Site, workspace: Path, asked: SubmitArguments) -> Plan:
    """The plan of the job that is asked for; its project folder exists.

    Raises: SpecError: the spec is wrong, or cannot run here.  UsageError: not exactly one spec is given.
    """
    from compose_core.plan import build_plan
    from compose_core.planning import plan_context

    loaded = loaded_spec(site, workspace, asked)
    return build_plan(loaded, plan_context(site, loaded))


def loaded_spec(site: Site, workspace: Path, asked: SubmitArguments) -> LoadedSpec:
    """The spec with everything filled in.

    Raises: as `plan_of`.
    """
    if (asked.compose_file is None) == (asked.spec is None):
        raise UsageError("a compose file or a spec has to be given, and not both", code="door-arguments")
    file = workspace / asked.compose_file if asked.compose_file is not None else None
    default_dir = file.parent if file is not None else workspace
    project_dir = workspace / asked.project_dir if asked.project_dir else default_dir
    if file is None:
        _make_folder(project_dir)
    loaded = load_spec(
        file if file is not None else project_dir / _file_name(asked.spec_name),
        variables={**site.environment, **asked.variables},
        sweep_variables=asked.trial or None,
        project_dir=project_dir,
        text=asked.spec,
        overrides=asked.overrides or None,
        defaults=asked.defaults or None,
    )
    return _with_environment(loaded, asked.environment)


def ready_to_submit(site: Site, plan: Plan, asked: SubmitArguments) -> list[str]:
    """Everything that the job needs before it is submitted; what is worth telling about that.

    Raises: PreflightFailed: something is missing.  PrepareFailed: an image could not be made.
    """
    from compose_core.images import prepare_images, verify_images

    said = [str(warning) for warning in plan.warnings]
    if asked.preflight != "off":
        said += _preflight(site, plan, strict=asked.preflight == "strict")
    if plan.images and asked.prepare:
        prepare_images(site, plan)
    elif plan.images:
        verify_images(plan)
    return said


def _preflight(site: Site, plan: Plan, *, strict: bool) -> list[str]:
    from compose_core.preflight.checks import PreflightFailed, blockers, findings_of

    findings = findings_of(plan, site)
    failed = blockers(findings, strict=strict)
    if failed:
        raise PreflightFailed(failed)
    return [finding.message for finding in findings if finding.level == "warning"]


def _with_environment(loaded: LoadedSpec, environment: Mapping[str, str]) -> LoadedSpec:
    """Every service gets these variables, over its own."""
    if not environment:
        return loaded
    services = {
        name: replace(service, environment={**service.environment, **environment})
        for name, service in loaded.spec.services.items()
    }
    return replace(loaded, spec=replace(loaded.spec, services=services))


def _file_name(name: str) -> str:
    """What stands for a spec that is no file, in the folder that its relative paths start from."""
    return name.replace("/", "_").replace("\0", "_") or "spec"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder {folder} cannot be made: {error.strerror}",
            remedy="Name a folder that you can write as workspace, on a file system that the nodes see, too.",
            code="workspace",
        ) from error
