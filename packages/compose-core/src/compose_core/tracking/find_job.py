"""The job that a command means."""

from __future__ import annotations

from compose_core.array_tasks import holds_task
from compose_core.errors import NoSuchJob, RecordError, UsageError
from compose_core.job_state import JobId, parse_job_id
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import ProjectPaths
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.moved_project import where_it_is_now
from compose_core.tracking.task_records import task_record


def find_job(project: ProjectPaths, job_id: str | None = None) -> JobRecord:
    """The record of this job; without an id the newest job of kind main, else the newest at all.

    Raises: NoSuchJob: the project has none.  UsageError: the id is none.  RecordError: its record cannot be read.
    """
    if job_id is not None:
        return _by_id(project, job_id)
    try:
        latest = JobRecord.read(project.latest)
    except RecordError:
        latest = None  # the records themselves know better
    if latest is not None and _is_kept(project, latest):
        return where_it_is_now(latest, project)
    found = tracked_jobs(project).records
    if not found:
        raise NoSuchJob(
            f"no job has been submitted from {project.project_dir}",
            remedy="Submit one with `hpcc up`, or name the compose file of another folder with -f.",
        )
    mains = [record for record in found if record.kind == "main"]
    return (mains or list(found))[0]


def _by_id(project: ProjectPaths, job_id: str) -> JobRecord:
    try:
        parsed = parse_job_id(job_id)
    except ValueError as error:
        raise UsageError(str(error), code="job-id") from error
    record = JobRecord.read(project.job_record(parsed))
    if record is None and (task := _task(project, parsed)):
        return task
    if record is None:
        known = ", ".join(record.job_id for record in tracked_jobs(project).records[:5])
        raise NoSuchJob(
            f"job {parsed} was not submitted from {project.project_dir}",
            remedy=f"Known here: {known}." if known else "Submit one with `hpcc up`, or name its compose file with -f.",
        )
    return where_it_is_now(record, project)


def _task(project: ProjectPaths, job_id: JobId) -> JobRecord | None:
    """The task of an array that was submitted from here; None when the id names no array of this folder.

    Raises: NoSuchJob: the job is no array, or has no such task.
    """
    base, _, task = job_id.partition("_")
    record = JobRecord.read(project.job_record(base)) if task else None
    if record is None:
        return None
    if record.array is None:
        raise NoSuchJob(
            f"job {base} is no array, so it has no task {task}", remedy=f"The job itself is meant by --job-id {base}."
        )
    if not holds_task(record.array.spec, int(task)):
        raise NoSuchJob(
            f"array {base} has no task {task}",
            remedy=f"Its tasks are {record.array.spec}; `hpcc ps --job-id {base}` lists them.",
        )
    return task_record(where_it_is_now(record, project), int(task))


def _is_kept(project: ProjectPaths, latest: JobRecord) -> bool:
    """The record behind the copy is still there; a removed job is no answer."""
    try:
        record = JobRecord.read(project.job_record(latest.job_id))
    except RecordError:
        return True
    return record is not None and record.submission_token == latest.submission_token
