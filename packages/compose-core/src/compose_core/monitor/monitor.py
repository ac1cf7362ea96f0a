"""The monitor at work: it looks, writes down what it knows, tells it, and calls the command of `--exec`.

Before a record is told it is in the state file, together with the size of each log; when all are told, that is written
down, too. So a monitor that is killed anywhere knows afterwards what is still to tell, and adds to a log only what is
not in it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compose_core.clock import Clock
from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.monitor.gpu_samples import latest_sample
from compose_core.monitor.hook import Hook
from compose_core.monitor.log_file import LogFile
from compose_core.monitor.looks import EfficiencySource, GpuSample, Look, Looker
from compose_core.monitor.step import (
    after_hook,
    after_look,
    after_usage,
    all_told,
    due_metrics,
    next_metrics_at,
    wants_samples,
)
from compose_core.monitor.text import json_line_of, text_of
from compose_core.records.monitor_rows import Row
from compose_core.records.monitor_state import MonitorState, key_of
from compose_core.records.our_path import OurPath
from compose_core.tracking.snapshot import JobSnapshot

ALERT_AFTER = 3
_AGAIN_S = 60.0
"""Until a log that could not be written is tried again, when nothing else is to be done."""


@dataclass(frozen=True, kw_only=True)
class Ears:
    """Who is told."""

    log: LogFile | None = None
    jsonl: LogFile | None = None
    tell: Callable[[Row], None] = lambda _: None
    """Called for each record, at most twice: again when the monitor was killed right after."""
    warn: Callable[[str], None] = lambda _: None
    """Told what goes wrong with the monitor itself."""


class Monitor:
    """Watches a fixed set of jobs until all have ended."""

    def __init__(
        self,
        state: MonitorState,
        *,
        file: OurPath,
        looker: Looker,
        efficiency: EfficiencySource,
        clock: Clock,
        ears: Ears,
        hook: Hook | None = None,
        alert_after: int = ALERT_AFTER,
        folder: Path = Path("/"),
    ) -> None:
        self.state = state
        self._file = file
        self._snapshots: dict[str, JobSnapshot] = {}
        self._looker = looker
        self._efficiency = efficiency
        self._clock = clock
        self._ears = ears
        self._hook = hook
        self._alert_after = alert_after
        self._folder = folder
        self._failures = 0
        self._next_look = clock.monotonic()
        self._troubles: set[str] = set()

    def run(self) -> MonitorState:
        """Return when every job has ended, and all is told."""
        self._tell(self.state.untold)  # what a killed monitor may have left untold
        if self._hook is None and self.state.hooks:
            self.state = self.state.model_copy(update={"hooks": ()})
        while not self._is_over():
            self._do_next()
        self.state = self.state.model_copy(update={"closed_at": self._clock.now()})
        self._keep()
        return self.state

    def _is_over(self) -> bool:
        return self.state.finished_at is not None and not self.state.hooks and not self.state.untold

    def _do_next(self) -> None:
        """The most urgent thing; commands wait for looks, so that a slow one delays a look by its own time at most."""
        now, finished = self._clock.monotonic(), self.state.finished_at is not None
        if now >= self._next_look and not finished:
            self._take(self._after_look())
        elif not finished and due_metrics(self.state, self._clock.now()):
            self._take(self._after_usage())
        elif self.state.hooks and self._hook is not None:
            change = self.state.hooks[0]
            failure = self._hook.call(change)
            self._take(after_hook(self.state, change, failure, at=self._clock.now()))
        else:
            self._sleep(now)

    def _sleep(self, now: float) -> None:
        pause = max(0.0, self._next_look - now)
        metrics_at = next_metrics_at(self.state)
        if metrics_at is not None:
            pause = min(pause, max(0.0, metrics_at - self._clock.now()))
        if self.state.finished_at is not None:
            pause = _AGAIN_S  # only a log that cannot be written keeps it from ending
        self._clock.sleep(pause)
        self._log_untold()

    def _after_look(self) -> MonitorState:
        snapshots = _tasks_of(self._looker.look())
        self._next_look = self._clock.monotonic() + self._looker.pause_s()
        self._snapshots = {key_of(snapshot.record): snapshot for snapshot in snapshots}
        failures = self._looker.failures
        asked = failures != self._failures or failures == 0
        self._failures = failures
        return after_look(
            self.state,
            Look(
                at=self._clock.now(),
                snapshots=self._snapshots,
                asked=asked,
                trouble=self._looker.trouble if failures else "",
                samples=self._samples(snapshots) if wants_samples(self.state) else {},
                folder=self._folder,
            ),
            alert_after=self._alert_after,
            hooks=self._hook is not None,
        )

    def _samples(self, snapshots: Sequence[JobSnapshot]) -> Mapping[str, GpuSample]:
        found = {
            key_of(snapshot.record): latest_sample(snapshot.record)
            for snapshot in snapshots
            if snapshot.state is JobState.RUNNING
        }
        return {key: sample for key, sample in found.items() if sample is not None}

    def _after_usage(self) -> MonitorState:
        due = [job.key for job in due_metrics(self.state, self._clock.now())]
        found = self._efficiency([self._snapshots[key] for key in due if key in self._snapshots])
        return after_usage(self.state, due, found, at=self._clock.now())

    def _take(self, state: MonitorState) -> None:
        """Keep the new state, then tell what is new."""
        if not self.state.untold:
            state = state.model_copy(
                update={"log_size": self._size(self._ears.log), "jsonl_size": self._size(self._ears.jsonl)}
            )
        fresh = [row for row in state.untold if row.number >= self.state.next_number]
        self.state = state
        self._keep()
        self._tell(fresh)

    def _tell(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._ears.tell(row)
        self._log_untold()

    def _log_untold(self) -> None:
        """Add to the logs what they lack, and write down that it was done; what a full disk keeps out waits for it."""
        state = self.state
        if not state.untold:
            return
        logged = self._log(self._ears.log, b"".join(text_of(row).encode() for row in state.untold), state.log_size)
        listed = self._log(self._ears.jsonl, b"".join(map(json_line_of, state.untold)), state.jsonl_size)
        if logged and listed:
            self.state = all_told(state)
            self._keep()

    def _log(self, log: LogFile | None, batch: bytes, since: int | None) -> bool:
        if log is None:
            return True
        try:
            log.complete(batch, since=log.size() if since is None else since)
        except RecordError as error:
            self._warn(error.message)
            return False
        return True

    def _size(self, log: LogFile | None) -> int | None:
        try:
            return log.size() if log is not None else None
        except RecordError:
            return None  # told when it is written

    def _keep(self) -> None:
        try:
            self.state.replace(self._file)
        except RecordError as error:
            self._warn(f"{error.message}; a monitor that is started again may tell some records once more")

    def _warn(self, text: str) -> None:
        if text not in self._troubles:
            self._troubles.add(text)
            self._ears.warn(text)


def _tasks_of(snapshots: Sequence[JobSnapshot]) -> list[JobSnapshot]:
    """The tasks of arrays instead of the arrays."""
    return [task for snapshot in snapshots for task in (snapshot.tasks or (snapshot,))]
