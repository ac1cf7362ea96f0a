"""`hpcc cancel`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode


@click.command(
    help="Ask for the end of a job; its services get TERM, its artifacts are collected, its records and logs stay.\n\n"
    "The exit status is 0 once the job has ended, 1 when it has not by the end of --wait."
)
@options.compose_file
@options.job_id
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the end.",
)
@click.option("--force", is_flag=True, help="Kill it at once: services get no chance to end by themselves.")
@options.common
def cancel(tools: Tools, file: Path, job_id: str | None, wait_s: float, force: bool) -> int:
    """Request, then confirmation."""
    from compose_core import operations

    record = tools.find_job(file, job_id)
    tools.output.talk(f"cancelling job {record.job_id} ({record.name})")
    result = operations.cancel(tools.site, record, wait_s=wait_s, force=force)
    if tools.output.is_json:
        tools.output.json(result.as_json())
    else:
        tools.output.data(result.message)
    return int(ExitCode.OK if result.confirmed else ExitCode.FAILED)
