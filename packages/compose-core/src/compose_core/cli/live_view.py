"""A job in the live view, and what is printed when it is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from compose_core.cli.up import command_for
from compose_core.operations import poller
from compose_core.tracking.observe import observe_one
from compose_core.tracking.task_records import task_record
from compose_core.watch.job_view import job_view
from compose_core.watch.live import LiveFeed
from compose_core.watch.model import JobView, Model, ServiceView

if TYPE_CHECKING:
    from compose_core.cli.following import Following
    from compose_core.cli.tools import Tools
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

_NEXT_COMMANDS = {"debug": "debug", "logs": "logs", "stats": "stats"}


def watch_in_view(
    tools: Tools, record: JobRecord, following: Following, *, services: Sequence[str] = ()
) -> JobSnapshot | int:
    """The snapshot of the ended job, which is still to be reported; or an exit status, when all is said.

    Raises: HpccError: looking at the job failed for good; the terminal is restored.
    """
    clock = tools.site.clock
    by_files = observe_one(record, {}, clock)
    if by_files.terminal and not _holds(following, by_files):
        return by_files
    from compose_core.watch.app import Ended, show

    feed = LiveFeed(record, poller(tools.site, [record]), clock, only=services, refresh_s=following.refresh_s)
    first = Model(
        job=_first_look(by_files),
        hold=following.hold,
        now=clock.now(),
        only=tuple(services),
    )
    try:
        model = show(first, feed)
    except Ended as end:
        return 128 + end.number
    if model.leaving in _NEXT_COMMANDS:
        task = model.choice.task
        meant = task_record(record, int(task)) if task is not None else record
        tools.output.data(command_for(meant, _next_command(model, _NEXT_COMMANDS[str(model.leaving)])))
        return 1 if model.job.failed else 0
    if feed.snapshot is not None and feed.snapshot.terminal:
        return feed.snapshot
    tools.output.talk(f"job {record.job_id} goes on: {model.job.state}")
    for command in ("watch", "cancel"):
        tools.output.talk(f"  {command_for(record, command)}")
    return 0


def _first_look(by_files: JobSnapshot) -> JobView:
    """What is shown until the scheduler has answered for the first time."""
    job = job_view(by_files)
    if by_files.source == "state" and not by_files.stale:
        return job
    services = tuple(ServiceView(name=name) for name in by_files.record.services)
    return replace(job, state="asking …", source="", stale=False, notes=(), services=services, tasks=())


def _holds(following: Following, snapshot: JobSnapshot) -> bool:
    return following.hold == "always" or (following.hold == "failure" and snapshot.failed)


def _next_command(model: Model, command: str) -> str:
    """`logs` of the service that was looked at."""
    service = model.choice.service
    if command != "logs" or service is None:
        return command
    import shlex

    return f"logs --service {shlex.quote(service)}"
