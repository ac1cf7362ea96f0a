"""`hpcc status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.job_look import look_at
from compose_core.cli.output import Output
from compose_core.cli.service_table import print_assertions, print_services
from compose_core.cli.status_report import first_failure, status_report, walltime
from compose_core.cli.task_table import failed_tasks, task_counts
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.errors import ExitCode
from compose_core.insight.pending_reasons import reason_in_words
from compose_core.job_state import JobState
from compose_core.terminal_text import terminal_text
from compose_core.tracking.state_text import state_text
from compose_core.units import format_duration, format_slurm_time

if TYPE_CHECKING:
    from compose_core.records.state import ServiceState
    from compose_core.tracking.queue_details import QueueDetails
    from compose_core.tracking.snapshot import JobSnapshot


@click.command(
    help="Show the state of a job and of its services.\n\n"
    "The exit status is 1 for a job that ended badly and 4 when the scheduler did not answer and nothing else is known."
)
@options.compose_file
@options.job_id
@options.attempt
@options.common
def status(tools: Tools, file: Path, job_id: str | None, attempt: int | None) -> int:
    """One job, in detail."""
    from compose_core.operations import engine_of
    from compose_core.tracking.queue_details import queue_details

    snapshot = look_at(tools, tools.find_job(file, job_id), attempt)
    details = queue_details(snapshot, engine_of(tools.site, snapshot.record))
    if tools.output.is_json:
        tools.output.json(status_report(snapshot, details))
    else:
        print_status(tools.output, snapshot, details)
    return exit_status(snapshot)


def exit_status(snapshot: JobSnapshot) -> int:
    """0 while it goes on or when it ended well, 1 when it ended badly, 4 when nobody can tell."""
    if snapshot.state is JobState.UNREACHABLE:
        return int(ExitCode.UNREACHABLE)
    return int(ExitCode.FAILED if snapshot.failed else ExitCode.OK)


def print_status(output: Output, snapshot: JobSnapshot, details: QueueDetails | None = None) -> None:
    """The job's lines, then its table of services, then their policies, places and logs, and why it failed."""
    record = snapshot.record
    output.heading(f"job {snapshot.job_id} ({record.name}): {state_text(snapshot)}")
    for label, value in _job_lines(snapshot, details):
        _line(output, label, value)
    for warning in snapshot.warnings:
        _line(output, "warning", warning)
    if snapshot.services:
        output.data("")
        print_services(output, snapshot)
        print_policies(output, snapshot)
        print_assertions(output, snapshot)
        print_places(output, snapshot)
        print_logs(output, snapshot)
    for line in failed_tasks(snapshot):
        output.data(terminal_text(line))


def _job_lines(snapshot: JobSnapshot, details: QueueDetails | None) -> Iterator[tuple[str, str]]:
    """Label and value of what there is to say of the job as a whole."""
    record, now = snapshot.record, snapshot.observed_at
    if snapshot.detail:
        yield "note", snapshot.detail
    if snapshot.reason:
        words = reason_in_words(snapshot.reason)
        yield "reason", f"{snapshot.reason}{f': {words}' if words else ''}"
    if details and details.eligible_at is not None and details.eligible_at > now:
        yield "eligible", f"{iso(details.eligible_at)}, in {format_duration(details.eligible_at - now)}"
    if snapshot.expected_start_at is not None:
        wait_s = max(0.0, snapshot.expected_start_at - now)
        yield "may start", f"{iso(snapshot.expected_start_at)}, in {format_duration(wait_s)}, as Slurm expects"
    yield "engine", f"{record.backend}, known from {snapshot.source}"
    if snapshot.started_at is not None:
        yield "started", f"{iso(snapshot.started_at)}{_elapsed(snapshot)}"
    if snapshot.attempt:
        yield "attempt", str(snapshot.attempt)
    if record.resume_dir:
        yield "resume from", f"{record.resume_dir}{_whether_resumed(snapshot)}"
    if snapshot.time_limit_s is not None:
        yield "time limit", f"{format_slurm_time(snapshot.time_limit_s)}{_time_left(snapshot)}"
    if snapshot.nodelist:
        yield "nodes", snapshot.nodelist
    if snapshot.tasks:
        yield "array", f"{record.array.spec if record.array else ''}, {task_counts(snapshot)}"
    failure = first_failure(snapshot)
    if failure is not None:
        yield "failed first", _failure_text(failure)
    yield "job folder", f"{record.job_dir}_<task>" if record.array else record.job_dir
    yield "batch log", record.batch_log if record.array else f"{record.batch_log}{_log_age(record.batch_log, now)}"


def print_places(output: Output, snapshot: JobSnapshot) -> None:
    """One line per service that runs more than one task: where they are."""
    for service in snapshot.services:
        state = service.state
        if state is None or max(state.nodes or 1, state.ntasks or 1) < 2:
            continue
        places = {
            "mode": state.placement_mode,
            "nodes": state.nodes,
            "ntasks": state.ntasks,
            "ntasks_per_node": state.ntasks_per_node,
            "nodelist": state.nodelist,
        }
        text = " ".join(f"{name}={value}" for name, value in places.items() if value is not None)
        output.data(terminal_text(f"placement service '{service.name}': {text}"))


def print_logs(output: Output, snapshot: JobSnapshot) -> None:
    """One line per service: where its log is, and how old its last line."""
    for service in snapshot.services:
        if service.log_path:
            age = _log_age(service.log_path, snapshot.observed_at)
            output.data(terminal_text(f"log service '{service.name}': {service.log_path}{age}"))


def print_policies(output: Output, snapshot: JobSnapshot) -> None:
    """One line per service: its failure policy and how much of it is used up; and why each failed one failed."""
    for service in snapshot.services:
        state = service.state
        if state is None:
            continue
        text = f"state service '{service.name}': failure_policy={state.failure_policy_mode}{_restarts(state)}"
        output.data(terminal_text(f"{text} last_exit={_or_dash(state.last_exit_code)}"))
        if state.failure_reason:
            output.data(terminal_text(f"failed service '{service.name}': {state.failure_reason}"))


def _restarts(state: ServiceState) -> str:
    if state.failure_policy_mode != "restart_on_failure":
        return ""
    window = f"{state.restart_failures_in_window or 0}/{_or_dash(state.max_restarts_in_window)}"
    seconds = "-" if state.window_seconds is None else f"{state.window_seconds:g}s"
    return f" restarts={state.restart_count}/{_or_dash(state.max_restarts)} window={window}@{seconds}"


def _failure_text(failure: Mapping[str, Any]) -> str:
    where = f" on {failure['node']}" if failure["node"] else ""
    rank = f", task {failure['rank']}" if failure["rank"] is not None else ""
    return f"{failure['service_name']}: exit code {_or_dash(failure['exit_code'])}{where}{rank}"


def _time_left(snapshot: JobSnapshot) -> str:
    """`, 31% used, 41m left`; nothing when it has no limit or never started."""
    time = walltime(snapshot)
    if not time["limit_s"] or time["used_s"] is None:
        return ""
    used = f", {time['used_s'] / time['limit_s']:.0%} used"
    return used if time["remaining_s"] is None else f"{used}, {format_duration(time['remaining_s'])} left"


def _log_age(path: str, now: float) -> str:
    """` (3s ago)`."""
    from compose_core.tracking.file_facts import file_facts

    facts = file_facts(path)
    if facts.updated_at is None:
        return " (not there)"
    return f" (written {format_duration(max(0.0, now - facts.updated_at))} ago)"


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
