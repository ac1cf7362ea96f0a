"""A list of jobs, of one project or of several: which of them it shows, and how those are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compose_core.errors import RecordError
from compose_core.records.job_index import ListedJob
from compose_core.records.journal import read_journal
from compose_core.records.paths import ProjectPaths, StatePaths
from compose_core.tracking.job_filter import JobFilter
from compose_core.tracking.job_list import Look, ProjectJobs, read_project_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs a list shows; as it stands, those that are not over and the one that ended last."""

    filter: JobFilter = field(default_factory=JobFilter)
    all: bool = False
    """Also all others that are over; a filter or a limit means that as well."""
    limit: int | None = None
    """At most so many, the newest."""
    keep: frozenset[str] = frozenset()
    """Tokens of jobs that are shown although they are over."""

    @property
    def takes_all(self) -> bool:
        """Jobs that are over are shown as others are."""
        return self.all or bool(self.filter) or self.limit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobListing:
    """The jobs to show, the newest first, and what is left out."""

    jobs: tuple[ListedJob, ...]
    tracked: int
    """How many jobs there are in all."""
    matching: int
    """How many of them are asked for, be they shown or left out by a limit."""
    warnings: tuple[str, ...] = ()

    @property
    def hidden(self) -> int:
        """How many are left out."""
        return self.tracked - len(self.jobs)


def list_jobs(
    projects: Iterable[ProjectPaths],
    look: Look,
    *,
    wanted: Wanted,
    now: float,
    on_many: Callable[[int], None] = lambda _count: None,
) -> JobListing:
    """The jobs of these projects; those that may have changed since somebody looked are looked at, all at once.

    A project whose records cannot be read is named in the warnings.
    """
    warnings: list[str] = []
    read: list[ProjectJobs] = []
    for project in projects:
        try:
            read.append(read_project_jobs(project, now=now, on_many=on_many))
        except RecordError as error:
            warnings.append(error.message)
    looked_at = _look_at_open(read, look, wanted)
    ended = (entry.job for jobs in read for entry in jobs.ended.values())
    found = {job.submission_token: job for job in (*ended, *looked_at)}
    tracked = sum(len(jobs.stamps) for jobs in read)
    shown = _chosen(sorted(found.values(), key=_age, reverse=True), wanted)
    return JobListing(
        jobs=tuple(shown[: wanted.limit]),
        tracked=tracked,
        matching=len(shown),
        warnings=(*warnings, *(warning for jobs in read for warning in jobs.warnings)),
    )


def known_projects(state: StatePaths) -> tuple[tuple[ProjectPaths, ...], int]:
    """The folders that the user has submitted from, and how many of them are not there any more.

    Raises: RecordError: the journal of submissions cannot be read.
    """
    folders = dict.fromkeys(Path(entry.project_dir) for entry in read_journal(state.journal))
    there = [folder for folder in folders if folder.is_absolute() and folder.is_dir()]
    return tuple(map(ProjectPaths, there)), len(folders) - len(there)


def _look_at_open(read: Sequence[ProjectJobs], look: Look, wanted: Wanted) -> list[ListedJob]:
    """Those that are not known to be over, looked at together: one question for all projects."""
    asked = [
        (jobs, name, record)
        for jobs in read
        for name, record in jobs.open.items()
        if wanted.filter.may_show(name=record.name, submitted_at=record.submitted_at)
    ]
    snapshots = look([record for _, _, record in asked]) if asked else []
    found = [jobs.take(name, snapshot) for (jobs, name, _), snapshot in zip(asked, snapshots, strict=True)]
    for jobs in read:
        jobs.remember()
    return found


def _chosen(jobs: Sequence[ListedJob], wanted: Wanted) -> list[ListedJob]:
    if wanted.takes_all:
        return [job for job in jobs if wanted.filter.shows(job)]
    last = max((job for job in jobs if job.terminal), key=lambda job: (job.ended_at or 0.0, *_age(job)), default=None)
    return [job for job in jobs if not job.terminal or job is last or job.submission_token in wanted.keep]


def _age(job: ListedJob) -> tuple[float, str]:
    return job.submitted_at, job.submission_token
