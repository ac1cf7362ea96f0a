"""The compose file of a sweep with what a program laid over and under it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.records.sweep_manifest import SweepOverlay
from compose_core.spec import load_spec
from compose_core.spec.given_environment import with_environment

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.spec import LoadedSpec

NOTHING = SweepOverlay()


def load_overlaid(
    site: Site,
    file: Path,
    overlay: SweepOverlay | None,
    *,
    sweep_variables: Mapping[str, str] | None = None,
    strict_env: bool = False,
    text: str | None = None,
    project_dir: Path | None = None,
) -> LoadedSpec:
    """The spec, for all trials or for the one with these variables.

    Raises: SpecError: the file is wrong, or what is laid over it does not fit.
    """
    laid = overlay or NOTHING
    loaded = load_spec(
        file,
        variables=site.environment,
        sweep_variables=sweep_variables,
        strict_env=strict_env,
        text=text,
        project_dir=project_dir,
        overrides=laid.overrides or None,
        defaults=laid.defaults or None,
    )
    return with_environment(loaded, laid.environment)
