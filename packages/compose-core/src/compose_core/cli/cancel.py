"""`hpcc cancel`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from compose_core.records.job_record import JobRecord
    from compose_core.submission.resolve import Resolution


@click.command(
    help="Ask for the end of a job; its services get TERM, its artifacts are collected, its records and logs stay.\n\n"
    "The exit status is 0 once the job has ended, 1 when it has not by the end of --wait."
)
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
@click.option(
    "--submission", "token", metavar="TOKEN", help="A submission that has no job yet, as `hpcc jobs` names it."
)
@click.option(
    "--sweep",
    "sweep_id",
    metavar="ID",
    shell_complete=live_values.sweep_ids,
    help="All trials of this sweep, as `hpcc sweep stop --yes`.",
)
@options.common
def cancel(
    tools: Tools, file: Path, job_id: str | None, wait_s: float, force: bool, token: str | None, sweep_id: str | None
) -> int:
    """Request, then confirmation."""
    if sweep_id is not None:
        return _cancel_sweep(tools, file, sweep_id, wait_s=wait_s, is_alone=not (job_id or token or force))
    if token is None:
        return _cancel_job(tools, tools.find_job(file, job_id), wait_s=wait_s, force=force)
    if job_id is not None:
        raise UsageError("--submission and --job-id name two different things", remedy="Give one of them.")
    resolution = _withdraw(tools, file, token)
    record = _job_of(tools, file, resolution)
    if record is not None:
        return _cancel_job(tools, record, wait_s=wait_s, force=force)
    return _report_submission(tools, resolution)


def _cancel_sweep(tools: Tools, file: Path, sweep_id: str, *, wait_s: float, is_alone: bool) -> int:
    from compose_core.cli.sweep_options import find_sweep
    from compose_core.cli.sweep_stop import stop_and_report

    if not is_alone:
        raise UsageError("--sweep stands alone, or with --wait", remedy="Leave --job-id, --submission and --force out.")
    return stop_and_report(tools, find_sweep(tools, file, sweep_id), reason=None, wait_s=wait_s)


def _cancel_job(tools: Tools, record: JobRecord, *, wait_s: float, force: bool) -> int:
    from compose_core import operations

    tools.output.talk(f"cancelling job {record.job_id} ({record.name})")
    result = operations.cancel(tools.site, record, wait_s=wait_s, force=force)
    if tools.output.is_json:
        tools.output.json(result.as_json())
    else:
        tools.output.data(result.message)
    return int(ExitCode.OK if result.confirmed else ExitCode.FAILED)


def _withdraw(tools: Tools, file: Path, token: str) -> Resolution:
    """What is known of the submission; whatever becomes of it, it ends before its first service."""
    from compose_core import operations
    from compose_core.records.token import parse_token

    try:
        parse_token(token)
    except ValueError as error:
        raise UsageError(f"--submission: {error}", remedy="`hpcc jobs` names the open ones.") from error
    return operations.cancel_submission(tools.site, tools.project_dir(file), token, on_event=tools.tell_event)


def _job_of(tools: Tools, file: Path, resolution: Resolution) -> JobRecord | None:
    """The job that the submission has become: its services may be running already."""
    from compose_core import operations

    if resolution.job_id is None:
        return None
    record = operations.find_job(tools.project_dir(file), resolution.job_id)
    return record if record.submission_token == resolution.token else None


def _report_submission(tools: Tools, resolution: Resolution) -> int:
    """0 when it is closed, 4 while it is not known whether the scheduler has it."""
    settled = resolution.status == "settled"
    if tools.output.is_json:
        tools.output.json({**resolution.as_json(), "requested": True, "confirmed": settled})
    else:
        tools.output.data(f"submission {resolution.token}: {resolution.message or resolution.status}")
    return int(ExitCode.OK if settled else ExitCode.UNREACHABLE)
