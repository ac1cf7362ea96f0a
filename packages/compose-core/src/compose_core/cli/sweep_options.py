"""The options that the commands about sweeps share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values
from compose_core.cli.tools import Tools

if TYPE_CHECKING:
    from compose_core.records.sweep_manifest import SweepManifest

sweep_id = click.option(
    "--sweep-id", metavar="ID", shell_complete=live_values.sweep_ids, help="Another sweep than the newest one."
)


def find_sweep(tools: Tools, file: Path, wanted: str | None) -> SweepManifest:
    """The sweep that a command means, with what earlier clients could not write down any more.

    Raises: UsageError, HpccError: there is none.
    """
    from compose_core.records.paths import ProjectPaths
    from compose_core.sweep.hold import find_sweep as find
    from compose_core.sweep.state import settled_sweep

    return settled_sweep(tools.site, find(ProjectPaths(tools.project_dir(file)), wanted))
