"""The tracked jobs of a project for a list: those that ended as they were seen then, the others looked at now."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compose_core.array_tasks import array_tasks
from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.job_index import IndexEntry, ListedJob, ListedService, read_job_index, write_job_index
from compose_core.records.our_path import opened_folder, refuse
from compose_core.records.paths import ProjectPaths, is_job_record

if TYPE_CHECKING:
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

Look = Callable[[Sequence["JobRecord"]], Sequence["JobSnapshot"]]
LOOKED_AT_FOR_S = 7 * 86400.0
"""So long after a job's end its state is compared with what it was: by then no scheduler remembers it, so none brings it back."""
MANY = 500
"""Records that are read at once before anybody is told that it takes a while."""


@dataclass(slots=True)
class ProjectJobs:
    """What is known of the jobs of one project without asking anybody."""

    project: ProjectPaths
    ended: dict[str, IndexEntry] = field(default_factory=dict)
    """By the name of the record's file."""
    open: dict[str, JobRecord] = field(default_factory=dict)
    """The records of those that have to be looked at, by the name of the file."""
    stamps: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """Records that cannot be read, and why."""
    index_is_old: bool = False

    def __len__(self) -> int:
        return len(self.ended) + len(self.open)

    def take(self, name: str, snapshot: JobSnapshot) -> ListedJob:
        """The job of this record's file for the list, now that it was looked at; one that is over for good is remembered."""
        job = listed_job(snapshot, self.project)
        if is_over_for_good(snapshot):
            self.ended[name] = IndexEntry(self.stamps[name], _state_stamp(job), job)
            self.index_is_old = True
        return job

    def remember(self) -> None:
        """The index is as good as what is known here; a folder that cannot be written goes without one."""
        if self.index_is_old:
            with suppress(RecordError):
                write_job_index(self.project.job_index, self.ended)
            self.index_is_old = False


def read_project_jobs(
    project: ProjectPaths, *, now: float, on_many: Callable[[int], None] = lambda _count: None
) -> ProjectJobs:
    """The jobs of the project; `on_many` hears how many records have to be read when there are many.

    Raises: RecordError: the folder of records cannot be read.
    """
    jobs = ProjectJobs(project, stamps=_record_stamps(project))
    index = _index(project)
    jobs.ended = {name: index[name] for name in jobs.stamps if name in index and _holds(index[name], jobs, name, now)}
    jobs.index_is_old = len(index) != len(jobs.ended)
    unread = [name for name in jobs.stamps if name not in jobs.ended]
    if len(unread) >= MANY:
        on_many(len(unread))
    for name in unread:
        _read(jobs, name)
    return jobs


def listed_job(snapshot: JobSnapshot, project: ProjectPaths) -> ListedJob:
    """The job as a list shows it."""
    record = snapshot.record
    return ListedJob(
        job_id=snapshot.job_id,
        name=record.name,
        submission_token=record.submission_token,
        kind=record.kind,
        backend=record.backend,
        project_dir=str(project.project_dir),
        compose_file=record.compose_file,
        job_dir=record.job_dir,
        batch_log=record.batch_log,
        submitted_at=snapshot.submitted_at,
        state=str(snapshot.state),
        last_known_state=str(snapshot.last_known_state) if snapshot.last_known_state else None,
        source=snapshot.source,
        terminal=snapshot.terminal,
        failed=snapshot.failed,
        exit_code=snapshot.exit_code,
        signal=snapshot.signal,
        cause=snapshot.cause,
        reason=snapshot.reason,
        detail=snapshot.detail,
        observed_at=snapshot.observed_at,
        stale=snapshot.stale,
        started_at=snapshot.started_at,
        ended_at=snapshot.ended_at,
        expected_start_at=snapshot.expected_start_at,
        heartbeat_at=snapshot.heartbeat_at,
        attempt=snapshot.attempt,
        is_resume=snapshot.is_resume,
        time_limit_s=snapshot.time_limit_s,
        nodelist=snapshot.nodelist,
        services=tuple(
            ListedService(one.name, one.status, one.state.last_exit_code if one.state else None)
            for one in snapshot.services
        ),
        warnings=snapshot.warnings,
        array=snapshot.array_summary() if record.array else None,
    )


def is_over_for_good(snapshot: JobSnapshot) -> bool:
    """It has ended and somebody saw how; one that is lost may be found again."""
    ends = snapshot.tasks or (snapshot,)
    return all(one.terminal and one.state is not JobState.LOST for one in ends)


def _record_stamps(project: ProjectPaths) -> dict[str, str]:
    """What tells whether a record is still the one that it was, by the name of its file."""
    try:
        with opened_folder(project.jobs) as folder, os.scandir(folder) as entries:
            return {
                entry.name: _stamp(entry.stat(follow_symlinks=False)) for entry in entries if is_job_record(entry.name)
            }
    except FileNotFoundError:
        return {}
    except OSError as error:
        refuse(project.jobs, error)


def _index(project: ProjectPaths) -> dict[str, IndexEntry]:
    try:
        return read_job_index(project.job_index)
    except RecordError:
        return {}  # the records themselves know it all


def _holds(entry: IndexEntry, jobs: ProjectJobs, name: str, now: float) -> bool:
    """The files that the entry was made of are the same, as far as they can still change."""
    job = entry.job
    if entry.record_stamp != jobs.stamps[name] or job.project_dir != str(jobs.project.project_dir):
        return False
    ended_at = job.observed_at if job.ended_at is None else max(job.ended_at, job.observed_at)
    return now - ended_at > LOOKED_AT_FOR_S or entry.state_stamp == _state_stamp(job)


def _read(jobs: ProjectJobs, name: str) -> None:
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.moved_project import where_it_is_now

    try:
        record = JobRecord.read(jobs.project.jobs / name)
    except RecordError as error:
        jobs.warnings.append(error.message)
        return
    if record is not None:
        jobs.open[name] = where_it_is_now(record, jobs.project)


def _state_stamp(job: ListedJob) -> str:
    """What tells whether the job wrote its state anew, or those of an array's tasks: it ran again."""
    spec = job.array["spec"] if job.array else ""
    folders = [f"{job.job_dir}_{task}" for task in array_tasks(spec)] if spec else [job.job_dir]
    if len(folders) == 1:
        return _path_stamp(f"{folders[0]}/state.json")
    stamps = "\n".join(_path_stamp(f"{folder}/state.json") for folder in folders)
    return f"{len(folders)}:{hashlib.sha256(stamps.encode()).hexdigest()[:32]}"


def _path_stamp(path: str) -> str:
    """Nothing is opened and no link followed: whatever lies there, only a change matters."""
    try:
        return _stamp(os.lstat(path))
    except OSError:
        return ""


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_ino}:{found.st_mtime_ns}:{found.st_size}"
