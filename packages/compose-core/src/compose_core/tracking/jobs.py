"""The jobs that a project tracks."""

from __future__ import annotations

from dataclasses import dataclass

from compose_core.errors import RecordError
from compose_core.records.atomic import names_in
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import ProjectPaths, is_job_record
from compose_core.tracking.moved_project import where_it_is_now


@dataclass(frozen=True, slots=True)
class TrackedJobs:
    """The job records of a project."""

    records: tuple[JobRecord, ...]
    """Newest first."""
    warnings: tuple[str, ...] = ()
    """Records that cannot be read, and why."""


def tracked_jobs(project: ProjectPaths) -> TrackedJobs:
    """All job records of the project, newest first; those of earlier jobs with a reused id included.

    Raises: RecordError: the folder of records cannot be read.
    """
    records = []
    warnings = []
    for name in names_in(project.jobs):
        if not is_job_record(name.name):
            continue
        try:
            record = JobRecord.read(project.jobs / name.name)
        except RecordError as error:
            warnings.append(error.message)
            continue
        if record is not None:
            records.append(where_it_is_now(record, project))
    records.sort(key=lambda record: (record.submitted_at, record.submission_token), reverse=True)
    return TrackedJobs(tuple(records), tuple(warnings))
