"""What a job itself wrote about how it is: its state and its end marker, as far as they are really its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compose_core.errors import RecordError
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import JobPaths, earlier_name
from compose_core.records.state import StateFile

HEARTBEAT_FRESH_S = 30.0
"""Three periods of the supervisor's heartbeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """The job's own word."""

    paths: JobPaths
    state: StateFile | None = None
    end: EndMarker | None = None
    """Of the current attempt."""
    faults: tuple[str, ...] = ()
    """Files that are there and cannot be used, and why."""

    def is_fresh(self, now: float, *, beat_seen_at: float | None = None) -> bool:
        """The supervisor lives: its heartbeat is young, or a watcher saw it move lately by its own clock."""
        beat = self.state.heartbeat_at if self.state and not self.state.is_terminal else None
        if beat is None:
            return False
        if beat_seen_at is not None and 0 <= now - beat_seen_at <= HEARTBEAT_FRESH_S:
            return True
        return abs(now - beat) <= HEARTBEAT_FRESH_S


def read_job_files(record: JobRecord) -> JobFiles:
    """State and end marker of this very job; files of another job with the same id are not looked at."""
    current = JobPaths(Path(record.job_dir))
    kept = JobPaths(Path(record.job_dir).parent / earlier_name(record.job_id, record.submission_token))
    faults: list[str] = []
    for paths in (current, kept):
        state = _state(paths, record, faults)
        end = _end(paths, record, faults)
        if state or end:
            if state and end and not state.is_terminal and state.started_at is not None and end.at < state.started_at:
                end = None  # of an earlier attempt: the job was put back into the queue since
            return JobFiles(paths=paths, state=state, end=end, faults=tuple(faults))
    return JobFiles(paths=current, faults=tuple(faults))


def _state(paths: JobPaths, record: JobRecord, faults: list[str]) -> StateFile | None:
    try:
        state = StateFile.read(paths.state)
    except RecordError as error:
        faults.append(error.message)
        return None
    return state if state and state.submission_token == record.submission_token else None


def _end(paths: JobPaths, record: JobRecord, faults: list[str]) -> EndMarker | None:
    try:
        end = EndMarker.read(paths.end)
    except RecordError as error:
        faults.append(error.message)
        return None
    return end if end and end.submission_token == record.submission_token else None
