"""What a job itself wrote about how it is: its state and its end marker, as far as they are really its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from compose_core.errors import RecordError, UsageError
from compose_core.records.attempts import attempts_of, of_newest_attempt
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
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
    is_foreign: bool = False
    """Another job with the same id wrote them."""

    def is_fresh(self, now: float, *, beat_seen_at: float | None = None) -> bool:
        """The supervisor lives: its heartbeat is young, or a watcher saw it move lately by its own clock."""
        beat = self.state.heartbeat_at if self.state and not self.state.is_terminal else None
        if beat is None:
            return False
        if beat_seen_at is not None and 0 <= now - beat_seen_at <= HEARTBEAT_FRESH_S:
            return True
        return abs(now - beat) <= HEARTBEAT_FRESH_S


def read_job_files(record: JobRecord) -> JobFiles:
    """State and end marker of this very job's newest attempt; another job with the same id is not looked at."""
    faults: list[str] = []
    places = [_newest(place, faults) for place in _places(record)]
    for paths in places:
        state = _state(paths, record, faults)
        end = _end(paths, record, faults)
        if state or end:
            if state and end and not state.is_terminal and state.started_at is not None and end.at < state.started_at:
                end = None  # of an earlier attempt: the job was put back into the queue since
            return JobFiles(paths=paths, state=state, end=end, faults=tuple(faults))
    return JobFiles(paths=places[0], faults=tuple(faults))


def job_files(record: JobRecord, paths: JobPaths) -> JobFiles:
    """State and end marker in this one folder, as far as they are this job's."""
    faults: list[str] = []
    state, end = _state(paths, record, faults), _end(paths, record, faults)
    is_foreign = state is None and end is None and not faults and (_is_there(paths.state) or _is_there(paths.end))
    return JobFiles(paths=paths, state=state, end=end, faults=tuple(faults), is_foreign=is_foreign)


def _is_there(path: OurPath) -> bool:
    return os.path.lexists(path)


def attempt_paths(record: JobRecord, attempt: int | None) -> JobPaths:
    """The files of this attempt, of the newest one for None.

    Raises: UsageError: the job has no such attempt, or its attempts share one folder.
    """
    paths = read_job_files(record).paths
    if attempt is None:
        return paths
    known = attempts_of(paths)
    if attempt in known:
        return replace(paths, attempt=attempt)
    has = (
        f"It has: {', '.join(map(str, known))}." if known else "Only with x-slurm.resume has each a folder of its own."
    )
    raise UsageError(f"job {record.job_id} has no attempt {attempt}", remedy=has, code="no-such-attempt")


def _places(record: JobRecord) -> tuple[JobPaths, JobPaths]:
    """Where the job's folder is, and where it is once its id was given to another job."""
    job_dir = Path(record.job_dir)
    return JobPaths(job_dir), JobPaths(job_dir.parent / earlier_name(record.job_id, record.submission_token))


def _newest(place: JobPaths, faults: list[str]) -> JobPaths:
    try:
        return of_newest_attempt(place)
    except RecordError as error:
        faults.append(error.message)
        return place


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
