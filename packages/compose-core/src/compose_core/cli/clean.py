"""`hpcc clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.age import age_s
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.units import format_bytes

if TYPE_CHECKING:
    from compose_core.tracking.clean import CleanReport, CleanRule


@click.command(
    help="Remove the files of finished jobs: records, job folders, submissions, batch logs. Exactly one of --age, "
    "--keep and --all says which.\n\n"
    "A job that waits or runs keeps its files, and so does one of which nobody can tell because the scheduler does not "
    "answer; the exit status is 4 then."
)
@options.compose_file
@click.option("--age", metavar="AGE", help="Those that ended longer ago than this: 7 or 7d (days), 12h, 1d12h …")
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="All but the N newest jobs.")
@click.option("--all", "all_jobs", is_flag=True, help="All but the newest job; the same as --keep 1.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@options.common
def clean(tools: Tools, file: Path, age: str | None, keep: int | None, all_jobs: bool, dry_run: bool) -> int:
    """Rule → removal."""
    from compose_core import operations

    rule = _rule(age, keep, all_jobs=all_jobs)
    project_dir = tools.project_dir(file)
    tools.settle(project_dir)
    report = operations.clean(tools.site, project_dir, rule, dry_run=dry_run)
    if tools.output.is_json:
        tools.output.json(report.as_json())
    else:
        _tell(tools, report)
    if report.is_undecided:
        return int(ExitCode.UNREACHABLE)
    return int(ExitCode.FAILED if report.has_failed else ExitCode.OK)


def _rule(age: str | None, keep: int | None, *, all_jobs: bool) -> CleanRule:
    """The rule that the options spell.

    Raises: UsageError: none or several of them are given, or the age is none.
    """
    from compose_core.tracking.clean import CleanRule

    if sum((age is not None, keep is not None, all_jobs)) != 1:
        raise UsageError("which jobs?", remedy="Give exactly one of --age, --keep and --all.")
    if age is None:
        return CleanRule(keep=1 if keep is None else keep)
    return CleanRule(older_than_s=age_s(age))


def _tell(tools: Tools, report: CleanReport) -> None:
    for warning in report.warnings:
        tools.output.talk(f"warning: {warning}")
    verb = "would remove" if report.dry_run else "removed"
    for one in [*report.finished, *report.removed]:
        what = f"job {one.job_id}" if one.job_id else f"submission {one.token}, which has no job"
        tools.output.data(f"{verb} {what} ({format_bytes(one.bytes_freed)})")
        for path in one.left:
            tools.output.talk(f"left: {path}")
    for job in report.kept:
        if job.why != "wanted":
            tools.output.talk(f"job {job.job_id} ({job.state}) stays: {job.message or job.why}")
    count = len([*report.finished, *report.removed])
    gone, freed = ("would go", "would be freed") if report.dry_run else ("removed", "freed")
    tools.output.data(f"{count} {gone}, {len(report.kept)} kept, {format_bytes(report.bytes_freed)} {freed}")
