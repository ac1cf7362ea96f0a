"""A run as it can be looked at again: its timeline, its samples, its logs. Reads the job's own files and asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.insight.metrics_line import metrics_line
from compose_core.insight.run_records import AttemptRecords
from compose_core.insight.timeline import Timeline
from compose_core.records.job_record import JobRecord
from compose_core.tracking.log_history import LogHistory, merged
from compose_core.tracking.log_source import service_log
from compose_core.tracking.metric_history import MetricHistory
from compose_core.tracking.run_files import RunFiles, run_folders
from compose_core.tracking.service_logs import LogLine


class RunHistory:
    """Everything that is known of a run at any of its moments."""

    def __init__(self, record: JobRecord, *, attempt: int | None = None) -> None:
        """Of all attempts, or of this one.

        Raises: UsageError: the job is an array, or has no such attempt.
        """
        self.record = record
        self.runs = [RunFiles(record, paths) for paths in run_folders(record, attempt)]
        self.timeline = Timeline((_records(run) for run in self.runs), record.services)
        self.metrics = [MetricHistory(run.paths.metrics) for run in self.runs]
        self._logs: dict[tuple[int, str], LogHistory] = {}
        self._line: tuple[tuple[int, ...], str] = ((), "")

    @property
    def notes(self) -> list[str]:
        """What is inferred, missing, or could not be read."""
        return [*self.timeline.notes, *(fault for metrics in self.metrics for fault in metrics.faults)]

    def sample_place(self, at: float) -> tuple[int, ...]:
        """Tells two moments apart that have other figures."""
        run = self._run_at(at)
        return (run, *self.metrics[run].places(at))

    def metrics_line(self, at: float) -> str:
        """The latest figures at this moment, never later ones."""
        place = self.sample_place(at)
        if self._line[0] != place:
            rows = self.metrics[place[0]].rows(at)
            line = metrics_line(gpu=rows.get("gpu", ()), cpu=rows.get("cpu", ()), slurm=rows.get("slurm", ()), now=at)
            self._line = (place, line)
        return self._line[1]

    def log_place(self, services: Sequence[str], at: float) -> tuple[int, ...]:
        """Tells two moments apart at which other lines are shown."""
        run = self._run_at(at)
        return (run, self._is_end(run, at), *(self._log(run, service).place(at) for service in services))

    def log_lines(self, services: Sequence[str], at: float, lines: int) -> list[LogLine]:
        """The last lines of these services at this moment, never later ones as far as that is known."""
        run = self._run_at(at)
        return merged([self._log(run, service) for service in services], at, lines, is_end=self._is_end(run, at))

    def _run_at(self, at: float) -> int:
        begins = self.timeline.begins
        known = (number for number in range(len(begins) - 1, -1, -1) if _has_begun(begins[number], at))
        return next(known, 0)

    def _is_end(self, run: int, at: float) -> bool:
        return run == len(self.runs) - 1 and at >= self.timeline.end

    def _log(self, run: int, service: str) -> LogHistory:
        if (run, service) not in self._logs:
            self._logs[run, service] = LogHistory(service_log(self.runs[run].paths, service))
        return self._logs[run, service]


def _has_begun(begin: float | None, at: float) -> bool:
    return begin is not None and begin <= at


def _records(run: RunFiles) -> AttemptRecords:
    return AttemptRecords(
        number=run.paths.attempt,
        events=run.events(),
        exits=run.exits(),
        state=run.files.state,
        end=run.files.end,
        faults=run.faults,
    )
