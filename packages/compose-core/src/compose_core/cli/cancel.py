"""`hpcc cancel`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError


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
@click.option(
    "--submission", "token", metavar="TOKEN", help="A submission that has no job yet, as `hpcc jobs` names it."
)
@options.common
def cancel(tools: Tools, file: Path, job_id: str | None, wait_s: float, force: bool, token: str | None) -> int:
    """Request, then confirmation."""
    if token is not None:
        return _cancel_submission(tools, file, job_id, token)
    from compose_core import operations

    record = tools.find_job(file, job_id)
    tools.output.talk(f"cancelling job {record.job_id} ({record.name})")
    result = operations.cancel(tools.site, record, wait_s=wait_s, force=force)
    if tools.output.is_json:
        tools.output.json(result.as_json())
    else:
        tools.output.data(result.message)
    return int(ExitCode.OK if result.confirmed else ExitCode.FAILED)


def _cancel_submission(tools: Tools, file: Path, job_id: str | None, token: str) -> int:
    """Whatever becomes of it, it ends before its first service; exit 4 while that cannot be confirmed."""
    from compose_core import operations

    if job_id is not None:
        raise UsageError("--submission and --job-id name two different things", remedy="Give one of them.")
    resolution = operations.cancel_submission(tools.site, tools.project_dir(file), token, on_event=tools.tell_event)
    settled = resolution.status == "settled"
    if tools.output.is_json:
        tools.output.json({**resolution.as_json(), "requested": True, "confirmed": settled})
    else:
        tools.output.data(f"submission {token}: {resolution.message or resolution.status}")
    return int(ExitCode.OK if settled else ExitCode.UNREACHABLE)
