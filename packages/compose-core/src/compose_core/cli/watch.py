"""`hpcc watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.following import Following, following
from compose_core.cli.tools import Tools

if TYPE_CHECKING:
    from compose_core.tracking.snapshot import JobSnapshot

WATCHED_LINES = 100
"""Of what a log held before, line mode shows so many lines."""


@click.command(
    help="Look at a job while it runs: its services, its time, its figures and its output.\n\n"
    "On an interactive terminal this opens the live view; elsewhere what changes and what the services print comes line by"
    " line. Leaving it (q, Ctrl-C) does not end the job. The exit status is 0 when the job completed or was left running,"
    " 1 when it ended in any other way."
)
@options.compose_file
@options.job_id
@options.service
@following
@options.common
def watch(tools: Tools, file: Path, job_id: str | None, services: tuple[str, ...], following: Following) -> int:
    """Until the job is over, or the person leaves."""
    from compose_core.cli.follow import follow_job
    from compose_core.tracking.log_source import service_logs

    record = tools.find_job(file, job_id)
    service_logs(record, services)  # a name that the job does not have is refused before anything is opened
    return follow_job(tools, record, following, services=services, report=watch_report, lines=WATCHED_LINES)


def watch_report(snapshot: JobSnapshot) -> dict[str, Any]:
    """What `--format json` says of the job that has ended."""
    return {**snapshot.as_json(), "record": snapshot.record.as_json()}
