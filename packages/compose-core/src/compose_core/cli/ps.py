"""`hpcc ps`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.job_look import look_at
from compose_core.cli.service_table import print_assertions, print_services
from compose_core.cli.status import exit_status
from compose_core.cli.status_report import ps_report
from compose_core.cli.task_table import print_tasks
from compose_core.cli.tools import Tools
from compose_core.tracking.state_text import state_text


@click.command(help="Show one line per service of a job.")
@options.compose_file
@options.job_id
@options.attempt
@options.common
def ps(tools: Tools, file: Path, job_id: str | None, attempt: int | None) -> int:
    """The services of one job."""
    snapshot = look_at(tools, tools.find_job(file, job_id), attempt)
    if tools.output.is_json:
        tools.output.json(ps_report(snapshot))
    elif snapshot.tasks:
        print_tasks(tools.output, snapshot)
    elif snapshot.services:
        print_services(tools.output, snapshot)
        print_assertions(tools.output, snapshot)
    else:
        tools.output.talk(f"job {snapshot.job_id} is {state_text(snapshot)}: no service has been started")
    return exit_status(snapshot)
