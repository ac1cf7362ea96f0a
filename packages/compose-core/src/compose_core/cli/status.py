"""`hpcc status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.output import Output
from compose_core.cli.service_table import print_assertions, print_services
from compose_core.cli.task_table import failed_tasks, task_counts
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.errors import ExitCode
from compose_core.job_state import JobState
from compose_core.terminal_text import terminal_text
from compose_core.tracking.state_text import state_text
from compose_core.units import format_duration, format_slurm_time

if TYPE_CHECKING:
    from compose_core.tracking.snapshot import JobSnapshot


@click.command(
    help="Show the state of a job and of its services.\n\n"
    "The exit status is 1 for a job that ended badly and 4 when the scheduler did not answer and nothing else is known."
)
@options.compose_file
@options.job_id
@options.common
def status(tools: Tools, file: Path, job_id: str | None) -> int:
    """One job, in detail."""
    from compose_core.operations import observe

    record = tools.find_job(file, job_id)
    snapshot = observe(tools.site, [record])[0]
    if tools.output.is_json:
        tools.output.json(
            {
                **snapshot.as_json(),
                "record": snapshot.record.as_json(),
                "log_dir": None if record.array else f"{record.job_dir}/logs",
            }
        )
    else:
        print_status(tools.output, snapshot)
    return exit_status(snapshot)


def exit_status(snapshot: JobSnapshot) -> int:
    """0 while it goes on or when it ended well, 1 when it ended badly, 4 when nobody can tell."""
    if snapshot.state is JobState.UNREACHABLE:
        return int(ExitCode.UNREACHABLE)
    return int(ExitCode.FAILED if snapshot.failed else ExitCode.OK)


def print_status(output: Output, snapshot: JobSnapshot) -> None:
    """The job's lines, then its table of services, then why it failed."""
    record = snapshot.record
    output.heading(f"job {snapshot.job_id} ({record.name}): {state_text(snapshot)}")
    if snapshot.detail:
        _line(output, "note", snapshot.detail)
    if snapshot.reason:
        _line(output, "reason", snapshot.reason)
    _line(output, "engine", f"{record.backend}, known from {snapshot.source}")
    if snapshot.started_at is not None:
        _line(output, "started", f"{iso(snapshot.started_at)}{_elapsed(snapshot)}")
    if snapshot.attempt:
        _line(output, "attempt", str(snapshot.attempt))
    if record.resume_dir:
        _line(output, "resume from", f"{record.resume_dir}{_whether_resumed(snapshot)}")
    if snapshot.time_limit_s is not None:
        _line(output, "time limit", format_slurm_time(snapshot.time_limit_s))
    if snapshot.tasks:
        _line(output, "array", f"{record.array.spec if record.array else ''}, {task_counts(snapshot)}")
    _line(output, "job folder", f"{record.job_dir}_<task>" if record.array else record.job_dir)
    _line(output, "batch log", record.batch_log)
    for warning in snapshot.warnings:
        _line(output, "warning", warning)
    if snapshot.services:
        output.data("")
        print_services(output, snapshot)
        print_policies(output, snapshot)
        print_assertions(output, snapshot)
    for line in failed_tasks(snapshot):
        output.data(terminal_text(line))


def print_policies(output: Output, snapshot: JobSnapshot) -> None:
    """One line per service that has a failure policy of its own, and why each failed one failed."""
    for service in snapshot.services:
        state = service.state
        if state is None:
            continue
        if state.failure_policy_mode != "fail_job":
            text = f"state service '{service.name}': failure_policy={state.failure_policy_mode}"
            if state.failure_policy_mode == "restart_on_failure":
                window = f"{state.restart_failures_in_window or 0}/{state.max_restarts_in_window}"
                text += (
                    f" restarts={state.restart_count}/{state.max_restarts} window={window}@{state.window_seconds:g}s"
                )
            output.data(terminal_text(f"{text} last_exit={_or_dash(state.last_exit_code)}"))
        if state.failure_reason:
            output.data(terminal_text(f"failed service '{service.name}': {state.failure_reason}"))


def _elapsed(snapshot: JobSnapshot) -> str:
    if snapshot.started_at is None:
        return ""
    end = snapshot.ended_at if snapshot.ended_at is not None else snapshot.observed_at
    verb = "took" if snapshot.terminal else "for"
    return f", {verb} {format_duration(max(0.0, end - snapshot.started_at))}"


def _whether_resumed(snapshot: JobSnapshot) -> str:
    return {True: ", where an earlier run was", False: ", as its first run", None: ""}[snapshot.is_resume]


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _line(output: Output, label: str, value: str) -> None:
    output.data(f"  {label:<11} {terminal_text(value)}")
