"""The feed of a running job: one thread looks at the job, another one reads the output that is shown."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from compose_core.clock import Clock
from compose_core.errors import HpccError, UsageError
from compose_core.records.job_record import JobRecord
from compose_core.tracking.log_source import LogSource, service_logs
from compose_core.tracking.newest_lines import KEPT_BYTES, NewestLines
from compose_core.tracking.poller import Poller
from compose_core.tracking.snapshot import JobSnapshot
from compose_core.tracking.task_records import task_record
from compose_core.watch.job_view import job_view
from compose_core.watch.metrics import latest_metrics
from compose_core.watch.model import LINES_KEPT, LogChoice, Model
from compose_core.watch.update import Event, JobSeen, MetricsSeen, OutputSeen, Ticked, Troubled

METRICS_S = 5.0
LOGS_AT_ONCE = 64
"""Of many logs so many are looked at in one round, the others in the next ones."""
_LEAST_KEPT_BYTES = 8 * 1024
_EVENTS_WAITING = 64


class LiveFeed:
    """Follows one job; the poller decides how often the scheduler is asked."""

    def __init__(
        self, record: JobRecord, poller: Poller, clock: Clock, *, only: Sequence[str] = (), refresh_s: float = 0.5
    ) -> None:
        self._record = record
        self._poller = poller
        self._clock = clock
        self._only = tuple(only)
        self._refresh_s = refresh_s
        self._events: deque[Event] = deque(maxlen=_EVENTS_WAITING)
        self._output: OutputSeen | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._chosen = threading.Event()
        self._choice: LogChoice | None = None
        self._choices_made = 0
        self._open_task: str | None = None
        self._failure: BaseException | None = None
        self._ticked = 0
        self.snapshot: JobSnapshot | None = None
        """The last look."""

    def start(self) -> None:
        for work in (self._look_at_job, self._read_metrics, self._read_output):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def heed(self, model: Model) -> None:
        with self._lock:
            self._open_task = model.open_task
            if model.choice != self._choice:
                self._choice = model.choice
                self._choices_made += 1
                self._chosen.set()

    def events(self) -> list[Event]:
        if self._failure is not None:
            raise self._failure
        with self._lock:
            found = [*self._events]
            self._events.clear()
            if self._output is not None:
                found.append(self._output)
                self._output = None
        second = int(self._clock.now())
        if second != self._ticked:
            self._ticked = second
            found.append(Ticked(float(second)))
        return found

    def stop(self) -> None:
        self._stopped.set()
        self._chosen.set()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the view can end in order
            self._failure = error

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def _look_at_job(self) -> None:
        """Until the job is over: nothing changes after that."""
        while not self._stopped.is_set():
            self.snapshot = self._poller.look()[0]
            self._tell(JobSeen(job_view(self.snapshot, trouble=self._poller.trouble)))
            self._stopped.wait(self._poller.pause_s())

    def _read_metrics(self) -> None:
        told = ""
        while not self._stopped.is_set():
            record = self._record
            if record.array is not None and self._open_task is not None:
                record = task_record(record, int(self._open_task))
            line = "" if record.array is not None else latest_metrics(record, self._clock.now())
            if line != told:
                told = line
                self._tell(MetricsSeen(line))
            self._stopped.wait(METRICS_S)

    def _read_output(self) -> None:
        """Looks again when the last output was taken, at the earliest after a pause, or when another choice is made."""
        reader: _Reader | None = None
        read_for, trouble = 0, ""
        while not self._stopped.is_set():
            self._chosen.clear()
            with self._lock:
                choice, number, is_taken = self._choice, self._choices_made, self._output is None
            try:
                if choice is not None and number != read_for:  # also when the same one was chosen again
                    reader, read_for, is_taken = _Reader(choice, self._sources(choice)), number, True
                if reader is not None and is_taken:
                    self._tell_output(reader.look())
                problem = ""
            except HpccError as error:
                problem = error.message
            if problem != trouble:
                trouble = problem
                self._tell(Troubled(problem))
            self._chosen.wait(self._refresh_s)

    def _tell_output(self, output: OutputSeen | None) -> None:
        if output is not None:
            with self._lock:
                self._output = output

    def _sources(self, choice: LogChoice) -> tuple[LogSource, ...]:
        record = self._record
        if record.array is not None and choice.task is not None:
            record = task_record(record, int(choice.task))
        wanted = (choice.service,) if choice.service is not None else self._only
        try:
            return service_logs(record, wanted)
        except UsageError:
            return ()  # a service that only the supervisor's own state names


class _Reader:
    """The logs of one choice."""

    def __init__(self, choice: LogChoice, sources: Sequence[LogSource]) -> None:
        self.choice = choice
        kept = max(_LEAST_KEPT_BYTES, KEPT_BYTES // max(1, min(len(sources), LOGS_AT_ONCE)))
        self._logs = [NewestLines(source, most_lines=LINES_KEPT, kept_bytes=kept) for source in sources]
        self._next = 0
        self._is_fresh = True
        self._open_line = ""

    def look(self) -> OutputSeen | None:
        """What is new in the logs whose turn it is; None when nothing is."""
        found = [log.look() for log in self._round()]
        lines = tuple(line for output in found for line in output.lines)
        open_line = found[0].open_line if len(self._logs) == 1 else ""
        skipped = sum(output.skipped for output in found)
        if not (lines or skipped or self._is_fresh or open_line != self._open_line):
            return None
        is_fresh, self._is_fresh, self._open_line = self._is_fresh, False, open_line
        return OutputSeen(choice=self.choice, lines=lines, open_line=open_line, skipped=skipped, is_fresh=is_fresh)

    def _round(self) -> list[NewestLines]:
        if len(self._logs) <= LOGS_AT_ONCE:
            return self._logs
        turn = [self._logs[(self._next + number) % len(self._logs)] for number in range(LOGS_AT_ONCE)]
        self._next = (self._next + LOGS_AT_ONCE) % len(self._logs)
        return turn
