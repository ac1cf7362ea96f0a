"""From what the door is told to a plan that can be submitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.door.requests import SubmitArguments
from compose_core.errors import EnvironmentProblem, UsageError
from compose_core.spec import load_spec
from compose_core.spec.given_environment import with_environment

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.spec import LoadedSpec


def plan_of(site: Site, workspace: Path, asked: SubmitArguments) -> Plan:
    """The plan of the job that is asked for; its project folder exists.

    Raises: SpecError: the spec is wrong, or cannot run here.  UsageError: not exactly one spec is given.
    EnvironmentProblem: the folder cannot be made.
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
    return with_environment(loaded, asked.environment)


def _file_name(name: str) -> str:
    """What stands for a spec that is no file, in the folder that its relative paths start from."""
    return name.replace("/", "_").replace("\0", "_") or "spec"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"the folder {folder} cannot be made: {error.strerror}",
            remedy="Name a folder that you can write as workspace, on a file system that the nodes see, too.",
            code="workspace",
        ) from error
