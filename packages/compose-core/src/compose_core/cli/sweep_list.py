"""`hpcc sweep list`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.units import counted


@click.command(name="list", help="List the sweeps of a folder, the newest first; the scheduler is not asked.")
@options.compose_file
@options.common
def list_sweeps(tools: Tools, file: Path) -> None:
    """The manifests alone."""
    from compose_core.records.paths import ProjectPaths
    from compose_core.sweep.listing import listed_sweeps

    found, warnings = listed_sweeps(ProjectPaths(tools.project_dir(file)))
    for warning in warnings:
        tools.output.talk(f"warning: {warning}")
    if tools.output.is_json:
        sweeps = [one.as_json() for one in found]
        tools.output.json({"schema_version": 1, "project_dir": str(tools.project_dir(file)), "sweeps": sweeps})
        return
    rows = [
        [
            one.sweep_id,
            iso(one.submitted_at),
            one.engine,
            str(one.trials),
            str(one.submitted),
            "stopped" if one.stopped_at is not None else "",
        ]
        for one in found
    ]
    if rows:
        tools.output.table(["SWEEP", "SUBMITTED", "ENGINE", "TRIALS", "WITH A JOB", ""], rows)
    tools.output.talk(counted(len(rows), "sweep"))
