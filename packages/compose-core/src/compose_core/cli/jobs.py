"""`hpcc jobs`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.state_text import state_text
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.units import format_duration


@click.command(help="List the jobs that were submitted from the compose file's folder, the newest first.")
@options.compose_file
@click.option("--limit", metavar="N", type=click.IntRange(min=1), default=None, help="At most so many.")
@options.common
def jobs(tools: Tools, file: Path, limit: int | None) -> None:
    """All tracked jobs, with one question to the scheduler."""
    from compose_core.operations import observe, tracked_jobs

    project_dir = tools.project_dir(file)
    still_open = tools.settle(project_dir)
    tracked = tracked_jobs(project_dir)
    for warning in tracked.warnings:
        tools.output.talk(f"warning: {warning}")
    snapshots = observe(tools.site, tracked.records[:limit])
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "project_dir": str(project_dir),
                "jobs": [snapshot.as_json() for snapshot in snapshots],
                "open_submissions": [resolution.as_json() for resolution in still_open],
                "warnings": list(tracked.warnings),
            }
        )
    elif not snapshots:
        tools.output.talk(f"no job has been submitted from {project_dir}")
    else:
        rows = []
        for snapshot in snapshots:
            end = snapshot.ended_at if snapshot.ended_at is not None else snapshot.observed_at
            elapsed = format_duration(max(0.0, end - snapshot.started_at)) if snapshot.started_at is not None else "-"
            record = snapshot.record
            rows.append(
                [record.job_id, record.name, state_text(snapshot), record.backend, iso(record.submitted_at), elapsed]
            )
        tools.output.table(["JOB", "NAME", "STATE", "ENGINE", "SUBMITTED", "TIME"], rows)
