"""Waiting for a job to leave the queue, and what is told meanwhile: its state, why it waits, when it may start."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compose_core.clock import iso
from compose_core.errors import UsageError
from compose_core.insight.pending_reasons import is_hopeless, reason_in_words
from compose_core.job_state import JobState
from compose_core.units import format_duration, parse_duration_s

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

Command = TypeVar("Command", bound=Callable[..., Any])
_START_MOVED_S = 60.0
"""The backfill scheduler computes the expected start anew again and again; only a change of this size is told."""


@dataclass(frozen=True, slots=True)
class QueueWatching:
    """The queue is watched before the job is followed."""

    warn_after_s: float
    """Warn once when it waits that long; 0: never."""


def queue_watching(command: Command) -> Command:
    """The options; the command gets them as one argument `queue`, None when the queue is not to be watched."""

    @click.option(
        "--watch-queue",
        is_flag=True,
        help="Before the job is followed, tell how it stands in the queue: state, why it waits, expected start.",
    )
    @click.option(
        "--queue-warn-after",
        metavar="DURATION",
        help="With --watch-queue: warn once when the job waits longer than this; 10m unless given, 0 is never.",
    )
    @functools.wraps(command)
    def with_queue(*args: Any, watch_queue: bool, queue_warn_after: str | None, **kwargs: Any) -> Any:
        if queue_warn_after is not None and not watch_queue:
            raise click.UsageError("--queue-warn-after means something only with --watch-queue")
        try:
            warn_after_s = parse_duration_s(queue_warn_after or "10m")
        except ValueError as error:
            raise click.UsageError(f"--queue-warn-after: {error}") from error
        return command(*args, queue=QueueWatching(warn_after_s) if watch_queue else None, **kwargs)

    return with_queue  # type: ignore[return-value]


def refuse_without_following(queue: QueueWatching | None, *, follows: bool) -> None:
    """Raises: UsageError: the queue is to be watched by a command that returns at once."""
    if queue is not None and not follows:
        raise UsageError("--watch-queue waits and --detach does not", remedy="Leave one of them out, or add --watch.")


def wait_in_queue(tools: Tools, record: JobRecord, queue: QueueWatching, *, cancel: str) -> None:
    """Return when the job has left the queue; `cancel` is the command that ends it."""
    from compose_core.operations import poller

    looker = poller(tools.site, [record])
    talk = QueueTalk(queue, cancel=cancel)
    while True:
        snapshot = looker.look()[0]
        for line in talk.lines(snapshot, trouble=looker.trouble):
            tools.output.talk(line)
        if not is_in_queue(snapshot):
            return
        tools.site.clock.sleep(looker.pause_s())


def is_in_queue(snapshot: JobSnapshot) -> bool:
    """It holds no resources yet, as far as anybody knows."""
    if snapshot.terminal:
        return False
    if snapshot.state in (JobState.UNREACHABLE, JobState.UNKNOWN):
        return snapshot.last_known_state is None or snapshot.last_known_state.is_waiting
    return snapshot.state.is_waiting


@dataclass(slots=True)
class QueueTalk:
    """What has been told of one waiting job."""

    queue: QueueWatching
    cancel: str
    told: str = ""
    told_start: float | None = None
    trouble: str = ""
    has_warned: bool = field(default=False)

    def lines(self, snapshot: JobSnapshot, *, trouble: str = "") -> Iterator[str]:
        """What is new since the last look."""
        waited = max(0.0, (snapshot.started_at or snapshot.observed_at) - snapshot.submitted_at)
        if trouble and not self.trouble:
            yield f"queue: the scheduler does not answer ({trouble}); the job keeps its place"
        self.trouble = trouble
        text = _state_line(snapshot, waited)
        if text != self.told and not trouble:
            yield text
            self.told = text
        if not is_in_queue(snapshot):
            return
        yield from self._expected(snapshot)
        if 0 < self.queue.warn_after_s <= waited and not self.has_warned:
            self.has_warned = True
            yield f"warning: job {snapshot.job_id} has waited for {format_duration(waited)}; `{self.cancel}` ends it"

    def _expected(self, snapshot: JobSnapshot) -> Iterator[str]:
        at = snapshot.expected_start_at
        if at is None or (self.told_start is not None and abs(at - self.told_start) < _START_MOVED_S):
            return
        self.told_start = at
        ahead = at - snapshot.observed_at
        yield f"queue: expected start {iso(at)}{f', in {format_duration(ahead)}' if ahead > 0 else ''}"


def _state_line(snapshot: JobSnapshot, waited: float) -> str:
    """A waiting job says why; the line does not change while nothing but time passes."""
    name = f"queue: job {snapshot.job_id} is {snapshot.state}"
    if not is_in_queue(snapshot):
        return f"{name} after {format_duration(waited)}{f' on {snapshot.nodelist}' if snapshot.nodelist else ''}"
    reason = "" if snapshot.reason in ("", "None") else snapshot.reason
    words = reason_in_words(reason)
    hopeless = "; it will not start by itself" if is_hopeless(reason) else ""
    return f"{name}{f': {reason}' if reason else ''}{f' ({words}{hopeless})' if words else ''}"
