"""One command at a time submits or ends the trials of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.cluster.lease import Lease, lease
from compose_core.errors import HpccError, UsageError
from compose_core.records.paths import ProjectPaths, SweepPaths
from compose_core.records.sweep_journal import latest_summary, read_sweep
from compose_core.records.sweep_manifest import SweepManifest

if TYPE_CHECKING:
    from compose_core.cluster.site import Site

_PATIENCE_S = 60.0


@contextmanager
def held_sweep(site: Site, paths: SweepPaths) -> Iterator[Lease]:
    """Held while the block runs. A holder that is gone is passed over.

    Raises: HpccError: another command holds it.  RecordError: it cannot be made.
    """
    deadline = site.clock.monotonic() + _PATIENCE_S
    with lease(paths.lock, site.clock, host=site.host, go_on=lambda _: site.clock.monotonic() < deadline) as held:
        if held is None:
            raise HpccError(
                f"another command submits or ends trials of {paths.folder.name}",
                remedy=f"Wait for it; if there is none, remove {paths.lock}.",
                code="sweep-locked",
            )
        yield held


@contextmanager
def sweep_if_free(site: Site, paths: SweepPaths) -> Iterator[bool]:
    """True: held while the block runs. False: another command has it, and is not waited for.

    Raises: RecordError: it cannot be made.
    """
    with lease(paths.lock, site.clock, host=site.host, go_on=lambda _: False) as held:
        yield held is not None


def sweep_paths(project: ProjectPaths, sweep_id: str) -> SweepPaths:
    """What belongs to the sweep with this id.

    Raises: UsageError: the text is no such id.
    """
    try:
        return project.sweep(sweep_id)
    except ValueError as error:
        raise UsageError(str(error), remedy="`hpcc sweep list` names them.", code="sweep-id") from error


def find_sweep(project: ProjectPaths | Path, sweep_id: str | None = None) -> SweepManifest:
    """The sweep with this id, else the newest one of the project (or of its folder), as its journal tells it.

    Raises: UsageError: the text is no id.  HpccError: there is no such sweep.  RecordError: it cannot be read.
    """
    if isinstance(project, Path):
        project = ProjectPaths(project)
    if sweep_id is None:
        latest = latest_summary(project)
        sweep_id = str(latest.get("sweep_id")) if latest else None
    if sweep_id is None:
        raise HpccError(
            f"no sweep has been submitted from {project.project_dir}",
            remedy="Submit one with `hpcc sweep submit`, or name the compose file of another folder with -f.",
            code="no-such-sweep",
        )
    manifest = read_sweep(sweep_paths(project, sweep_id))
    if manifest is None:
        raise HpccError(
            f"there is no sweep {sweep_id} in {project.project_dir}",
            remedy="`hpcc sweep list` names them.",
            code="no-such-sweep",
        )
    return manifest
