"""What a site can do, for whoever sets up a connection to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compose_core.cluster.engine import Unavailable
from compose_core.cluster.slurm import Slurm
from compose_core.errors import HpccError
from compose_core.version import __version__

if TYPE_CHECKING:
    from compose_core.cluster.site import Site

_SILENT = (
    "Try again when it does; where this machine only has Slurm's programs and no cluster, choose the engine `local`, "
    "or a login node."
)
_ELSEWHERE = "Name a folder that you can write, on a file system that the nodes see, too."


def site_check(site: Site, workspace: Path) -> dict[str, Any]:
    """Engine, scheduler, container programs and workspace; `problems` says what keeps jobs from running.

    Raises: EnvironmentProblem: Slurm is asked for and is not there.
    """
    facts: dict[str, Any] = {
        "version": __version__,
        "host": site.host,
        "user": site.user,
        "engine": site.engine_name,
        "workspace": str(workspace),
        "backends": list(site.available_backends),
        "scheduler": None,
        "partitions": [],
        "problems": [],
    }
    engine = site.engine
    if isinstance(engine, Slurm):
        _ask_slurm(engine, facts)
    trouble = _workspace_trouble(workspace)
    if trouble:
        facts["problems"].append(trouble)
    return facts


def _ask_slurm(engine: Slurm, facts: dict[str, Any]) -> None:
    settings = engine.settings()
    if isinstance(settings, Unavailable):
        facts["problems"].append(f"the scheduler does not answer: {settings.message}. {_SILENT}")
        return
    facts["scheduler"] = {
        "cluster": settings.get("ClusterName", ""),
        "version": settings.get("SLURM_VERSION", ""),
        "accounting": settings.get("AccountingStorageType", "") not in ("", "(null)", "accounting_storage/none"),
    }
    found = engine.partitions()
    if isinstance(found, Unavailable):
        facts["problems"].append(f"sinfo does not answer: {found.message}. {_SILENT}")
        return
    facts["partitions"] = list(dict.fromkeys(row.partition for row in found))


def _workspace_trouble(workspace: Path) -> str:
    """Why no job can be submitted from there, and what helps; empty when one can."""
    probe = workspace / ".hpc-compose"
    try:
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return f"the workspace {workspace} cannot be written: {error.strerror}. {_ELSEWHERE}"
    except HpccError as error:
        return error.message
    if not os.access(probe, os.W_OK | os.X_OK):
        return f"the workspace {workspace} cannot be written: {probe} belongs to somebody else. {_ELSEWHERE}"
    return ""
