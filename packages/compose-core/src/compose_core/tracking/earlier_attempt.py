"""How an attempt of a job with `x-slurm.resume` was, when another one came after it."""

from __future__ import annotations

from dataclasses import replace

from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.attempts import attempts_of
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord
from compose_core.records.state import StateFile
from compose_core.tracking.decide import decide
from compose_core.tracking.evidence import Evidence
from compose_core.tracking.job_files import JobFiles, attempt_paths, read_job_files
from compose_core.tracking.snapshot import JobSnapshot


def attempts_known(record: JobRecord) -> tuple[int, ...]:
    """The attempts that have a folder of their own; none without `x-slurm.resume`, or when it cannot be read."""
    try:
        return attempts_of(record.job_paths)
    except RecordError:
        return ()


def is_newest(record: JobRecord, attempt: int) -> bool:
    """The scheduler's word is of this attempt.

    Raises: UsageError: the job has no such attempt.
    """
    attempt_paths(record, attempt)
    return read_job_files(record).paths.attempt == attempt


def earlier_attempt(record: JobRecord, attempt: int, *, now: float) -> JobSnapshot:
    """What its own files say, which is all that is left of it; it is over, because a later one began.

    Raises: UsageError: the job has no such attempt.
    """
    files = _files(record, attempt)
    snapshot = decide(Evidence(record=record, files=files, now=now))
    said = files.state and files.state.is_terminal
    state = snapshot.state if said or files.end else JobState.UNKNOWN
    ended_at = snapshot.ended_at if snapshot.ended_at is not None else (files.end.at if files.end else None)
    detail = "" if said else "it left no last word; a later attempt followed"
    return replace(
        snapshot,
        state=state,
        source="state",
        last_known_state=None if said or files.end else JobState.RUNNING,
        terminal=True,
        stale=False,
        detail=detail,
        attempt=attempt,
        ended_at=ended_at,
        services=tuple(replace(one, alive=False, status="unknown") if one.alive else one for one in snapshot.services),
    )


def _files(record: JobRecord, attempt: int) -> JobFiles:
    paths = attempt_paths(record, attempt)
    faults: list[str] = []
    state = end = None
    try:
        state = StateFile.read(paths.state)
        end = EndMarker.read(paths.end)
    except RecordError as error:
        faults.append(error.message)
    is_own = state is None or state.submission_token == record.submission_token
    return JobFiles(paths=paths, state=state if is_own else None, end=end if is_own else None, faults=tuple(faults))
