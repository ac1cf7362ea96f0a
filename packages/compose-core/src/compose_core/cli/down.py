"""`hpcc down`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.units import format_bytes

if TYPE_CHECKING:
    from compose_core.tracking.removal import Removed


@click.command(
    help="End a job, wait until it is over, and remove its files: record, job folder, submission, batch log.\n\n"
    "What `hpcc artifacts` exported stays. The exit status is 0 once the files are gone, 1 when the job has not ended "
    "by the end of --wait, or something could not be removed."
)
@click.argument("job", required=False, metavar="[JOB]", shell_complete=live_values.job_ids)
@options.compose_file
@options.job_id
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to wait for the end.",
)
@click.option("--force", is_flag=True, help="Kill it at once: services get no chance to end by themselves.")
@options.common
def down(tools: Tools, file: Path, job: str | None, job_id: str | None, wait_s: float, force: bool) -> int:
    """Cancel, wait, remove."""
    from compose_core import operations

    if job is not None and job_id is not None:
        raise UsageError("JOB and --job-id name the job twice", remedy="Give one of them.")
    wanted = job if job is not None else job_id
    project_dir = tools.project_dir(file)
    finished = [one for one in operations.finish_removals(tools.site, project_dir) if wanted in (None, one.job_id)]
    if finished:  # the newest job now is another one than the interrupted command meant
        return _report_finished(tools, finished[-1])
    record = tools.find_job(file, wanted)
    tools.output.talk(f"ending job {record.job_id} ({record.name})")
    result = operations.down(tools.site, record, project_dir=project_dir, wait_s=wait_s, force=force)
    if tools.output.is_json:
        tools.output.json(result.as_json())
    elif result.removed is None:
        tools.output.data(result.message)
    else:
        _tell(tools, result.message, result.removed)
    return int(ExitCode.OK if result.removed else ExitCode.FAILED)


def _report_finished(tools: Tools, removed: Removed) -> int:
    message = f"the removal of job {removed.job_id}, which an earlier command began, is finished"
    report = {
        "schema_version": 1,
        "job_id": removed.job_id,
        "requested": False,
        "confirmed": True,
        "state": None,
        "message": message,
        "removed": removed.as_json(),
    }
    if tools.output.is_json:
        tools.output.json(report)
    else:
        _tell(tools, message, removed)
    return int(ExitCode.OK)


def _tell(tools: Tools, message: str, removed: Removed) -> None:
    for what in removed.left:
        tools.output.talk(f"left: {what}")
    tools.output.data(f"{message} ({format_bytes(removed.bytes_freed)})")
