"""`hpcc jobs`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.jobs_table import print_jobs
from compose_core.cli.moment import moment
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.records.job_record import JobRecord
    from compose_core.records.paths import ProjectPaths
    from compose_core.submission.resolve import Resolution
    from compose_core.tracking.job_listing import JobListing, Wanted
    from compose_core.tracking.snapshot import JobSnapshot

_MANY = 1000
"""Of so many jobs the JSON report stands on one line."""


@click.command(
    help="List the jobs that were submitted from the compose file's folder, the newest first: those that are not over, "
    "and the one that ended last.\n\nWith --all, --limit or a filter all tracked jobs are looked through."
)
@options.compose_file
@click.option("--all", "-a", "show_all", is_flag=True, help="Also all jobs that are over.")
@click.option(
    "--state",
    "states",
    metavar="STATE",
    multiple=True,
    help="Only jobs in this state: a word of Slurm such as PENDING, or active, waiting, running, finished, failed; "
    "may be given several times.",
)
@click.option(
    "--name", metavar="TEXT", default="", help="Only jobs with this in their name, or that match it: 'train-*'."
)
@click.option("--since", metavar="TIME", help="Only jobs submitted since 30m, 12h, 7d … ago, or since a date.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), default=None, help="At most the newest N.")
@click.option("--global", "everywhere", is_flag=True, help="The jobs of all folders that you have submitted from.")
@click.option(
    "--watch",
    "-w",
    is_flag=True,
    help="Go on until none of them can change any more: a table that changes on a terminal, else a line for each change.",
)
@options.common
def jobs(tools: Tools, file: Path, everywhere: bool, watch: bool, **choices: Any) -> None:
    """The tracked jobs, with one question to the scheduler."""
    wanted = _wanted(tools, **choices)
    projects = _projects(tools, file, everywhere=everywhere)
    if watch:
        _watch(tools, projects, wanted, with_project=everywhere)
        return
    listing, still_open = _listed(tools, projects, wanted)
    for warning in listing.warnings:
        tools.output.talk(f"warning: {warning}")
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "project_dir": None if everywhere else str(tools.project_dir(file)),
                "jobs": [job.as_json() for job in listing.jobs],
                "tracked_jobs": listing.tracked,
                "matching_jobs": listing.matching,
                "open_submissions": [resolution.as_json() for resolution in still_open],
                "warnings": list(listing.warnings),
            },
            indent=2 if len(listing.jobs) < _MANY else None,
        )
        return
    if listing.jobs:
        print_jobs(tools.output, listing.jobs, now=tools.site.clock.now(), with_project=everywhere)
    _tell_rest(tools, listing, wanted, where="" if everywhere else f" from {tools.project_dir(file)}")


def _watch(tools: Tools, projects: Sequence[ProjectPaths], wanted: Wanted, *, with_project: bool) -> None:
    """The list again and again.

    Raises: UsageError: as JSON, which is one answer.
    """
    from compose_core.cli.jobs_watch import watch_jobs

    if tools.output.is_json:
        raise UsageError(
            "--watch goes on and on, and --format json is one answer",
            remedy="Leave one of them out; `hpcc monitor --jsonl FILE` writes one object for each change.",
            code="watch-json",
        )
    for project in projects:
        tools.settle(project.project_dir)
    watch_jobs(tools, projects, wanted, with_project=with_project)


def _wanted(
    tools: Tools, *, show_all: bool, states: tuple[str, ...], name: str, since: str | None, limit: int | None
) -> Wanted:
    """What the options ask for.

    Raises: UsageError: one of them means nothing.
    """
    from compose_core.tracking.job_filter import JobFilter, state_words
    from compose_core.tracking.job_listing import Wanted

    after = moment("--since", since, tools.site.clock.now())
    return Wanted(filter=JobFilter(states=state_words(states), name=name, since=after), all=show_all, limit=limit)


def _projects(tools: Tools, file: Path, *, everywhere: bool) -> tuple[ProjectPaths, ...]:
    from compose_core.records.paths import ProjectPaths, StatePaths
    from compose_core.tracking.job_listing import known_projects

    if not everywhere:
        return (ProjectPaths(tools.project_dir(file)),)
    projects, gone = known_projects(StatePaths(tools.site.state_dir))
    if gone:
        verb = "is" if gone == 1 else "are"
        tools.output.talk(f"{counted(gone, 'folder')} that you have submitted from {verb} not there any more")
    return projects


def _listed(
    tools: Tools, projects: tuple[ProjectPaths, ...], wanted: Wanted
) -> tuple[JobListing, tuple[Resolution, ...]]:
    """The list, and the submissions that are still open after a look at them."""
    from compose_core.tracking.job_listing import list_jobs

    def look(records: Sequence[JobRecord]) -> list[JobSnapshot]:
        from compose_core.operations import observe

        return observe(tools.site, records)

    def tell_many(count: int) -> None:
        tools.output.talk(f"reading the records of {count} jobs; those that are over are remembered for the next time")

    still_open = tuple(found for project in projects for found in tools.settle(project.project_dir))
    now = tools.site.clock.now()
    return list_jobs(projects, look, wanted=wanted, now=now, on_many=tell_many), still_open


def _tell_rest(tools: Tools, listing: JobListing, wanted: Wanted, *, where: str) -> None:
    """What the table leaves out, and how it is seen."""
    if not listing.tracked:
        tools.output.talk(f"no job has been submitted{where}")
    elif wanted.filter and not listing.jobs:
        tools.output.talk(f"none of the {counted(listing.tracked, 'job')} matches")
    elif listing.matching > len(listing.jobs):
        tools.output.talk(f"and {counted(listing.matching - len(listing.jobs), 'job')} more")
    elif listing.hidden and not wanted.takes_all:
        tools.output.talk(f"and {counted(listing.hidden, 'job')} more that ended before: hpcc jobs --all")
