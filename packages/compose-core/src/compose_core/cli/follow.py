"""Following a job in line mode: what changes goes to stderr, what its services print to stdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli.following import Following, process_environment
from compose_core.cli.log_lines import echo_log_line, plain_line
from compose_core.cli.status import exit_status, print_status
from compose_core.cli.task_table import task_counts
from compose_core.cli.tools import Tools
from compose_core.cli.up import command_for
from compose_core.errors import ExitCode, HpccError
from compose_core.job_state import JobState
from compose_core.operations import poller
from compose_core.tracking.log_source import batch_log, service_logs
from compose_core.tracking.service_logs import follow_logs, read_logs
from compose_core.tracking.state_text import state_text

if TYPE_CHECKING:
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

FAILED_LOG_LINES = 10
FAILED_TASKS_SHOWN = 3
LOGS_FOLLOWED = 64
"""An array with more logs than this is followed by its states alone."""


def follow_job(
    tools: Tools,
    record: JobRecord,
    following: Following,
    *,
    services: Sequence[str] = (),
    report: Callable[[JobSnapshot], Mapping[str, Any]],
    lines: int | None = None,
) -> int:
    """Follow the job until it ends or is left, then report it; gives the exit status.

    `report` makes the JSON report of the end; of what a log holds already, line mode shows the last `lines` (None: all).
    """
    if following.wants_view(tools, process_environment()):
        from compose_core.cli.live_view import watch_in_view

        ended = watch_in_view(tools, record, following, services=services)
    else:
        ended = _follow_by_lines(tools, record, services, lines)
    return ended if isinstance(ended, int) else _report_end(tools, ended, report)


def _follow_by_lines(tools: Tools, record: JobRecord, services: Sequence[str], lines: int | None) -> JobSnapshot | int:
    """The snapshot of the ended job, or the exit status of one that was left; no line holds a control code."""
    click.get_current_context().color = False
    follower = JobFollower(tools, record)
    sources = service_logs(record, services)
    try:
        if tools.output.is_json or tools.output.quiet or len(sources) > LOGS_FOLLOWED:
            follower.wait()
        else:
            for line in follow_logs(sources, tools.site.clock, is_over=follower.is_over, lines=lines):
                click.echo(plain_line(line))
        follower.tell()
    except KeyboardInterrupt:
        return left_running(tools, record)
    return follower.snapshot


class JobFollower:
    """One job looked at in rounds, and what changes told."""

    def __init__(self, tools: Tools, record: JobRecord, *, silent: bool = False) -> None:
        self._tools = tools
        self._silent = silent
        self._poller = poller(tools.site, [record])
        self._told: dict[str, str] = {}
        self.snapshot: JobSnapshot = self._poller.look()[0]

    def is_over(self) -> bool:
        """Look once more; what changed is told in the next round, after the lines that were printed before it."""
        self.tell()
        if not self.snapshot.terminal:
            self.snapshot = self._poller.look()[0]
        return self.snapshot.terminal

    def tell(self) -> None:
        """Say what has changed since it was last said."""
        snapshot = self.snapshot
        if snapshot.tasks:
            self._tell_tasks(snapshot)
            return
        for service in snapshot.services:
            restarts = service.state.restart_count if service.state else 0
            word = f"{service.status} (restart {restarts})" if restarts else service.status
            if service.status not in ("waiting", "unknown"):
                self._tell_once(service.name, word, f"{service.name}: {word}")
        state = f"{state_text(snapshot)}{_because(snapshot)}"
        self._tell_once("", state, f"scheduler state: {state}")
        self._tell_walltime()

    def _tell_tasks(self, snapshot: JobSnapshot) -> None:
        """The tasks that failed, each once, then how many are in which state."""
        for task in snapshot.tasks:
            if task.failed:
                number = str(task.record.array_task_id)
                self._tell_once(number, str(task.state), f"task {number}: {state_text(task)}")
        state = f"{snapshot.state}{_because(snapshot)}"
        self._tell_once("", state, f"scheduler state: {state}")
        counts = task_counts(snapshot)
        self._tell_once("tasks of the array", counts, f"array {snapshot.job_id}: {counts}")
        self._tell_walltime()

    def _tell_walltime(self) -> None:
        """Each tenth of the time limit that the job has used, while it goes on."""
        snapshot = self.snapshot
        if snapshot.terminal or snapshot.started_at is None or not snapshot.time_limit_s:
            return
        share = (self._tools.site.clock.now() - snapshot.started_at) / snapshot.time_limit_s
        tenths = int(10 * max(0.0, share))
        if tenths:
            self._tell_once("walltime", str(tenths), f"walltime: {share:.0%}")

    def wait(self) -> None:
        """Return when the job has ended."""
        while not self.is_over():
            self._tools.site.clock.sleep(self._poller.pause_s())

    def _tell_once(self, key: str, word: str, text: str) -> None:
        if self._told.get(key) != word:
            self._told[key] = word
            if not self._silent:
                self._tools.output.talk(text)


def _because(snapshot: JobSnapshot) -> str:
    reason = snapshot.reason if snapshot.reason not in ("", "None") else snapshot.detail
    return f" ({reason})" if reason and snapshot.state is not JobState.RUNNING else ""


def left_running(tools: Tools, record: JobRecord) -> int:
    """Ctrl-C: the person leaves, the job goes on."""
    tools.output.talk(f"\njob {record.job_id} goes on; to see it again: {command_for(record, 'watch')}")
    tools.output.talk(f"to end it: {command_for(record, 'cancel')}")
    return int(ExitCode.INTERRUPTED)


def _report_end(tools: Tools, snapshot: JobSnapshot, report: Callable[[JobSnapshot], Mapping[str, Any]]) -> int:
    output, record = tools.output, snapshot.record
    code = exit_status(snapshot)
    if output.is_json:
        output.json(report(snapshot))
        return code
    if not output.quiet:
        output.data("")
    print_status(output, snapshot)
    if snapshot.failed:
        _show_failed_logs(tools, snapshot)
    if record.artifact_export_dir:
        output.talk(f"artifacts: {command_for(record, 'artifacts')}")
    return code


def _show_failed_logs(tools: Tools, snapshot: JobSnapshot) -> None:
    """The last lines of every service that failed, or of the batch log when none got that far."""
    for task in [task for task in snapshot.tasks if task.failed][:FAILED_TASKS_SHOWN]:
        tools.output.talk(f"task {task.record.array_task_id}:")
        _show_failed_logs(tools, task)
    if snapshot.tasks:
        return
    failed = [service.name for service in snapshot.services if service.status == "failed"]
    if failed:
        sources = service_logs(snapshot.record, failed)
    else:
        tools.output.talk(f"the end of the batch log {snapshot.record.batch_log}")
        sources = (batch_log(snapshot.record),)
    try:
        for line in read_logs(sources, lines=FAILED_LOG_LINES):
            echo_log_line(line, width=max(map(len, failed), default=0), err=True)
    except HpccError as error:
        click.echo(f"the log cannot be read: {error.message}", err=True)
