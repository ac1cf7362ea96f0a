"""The table of many jobs, one line each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from compose_core.clock import iso
from compose_core.tracking.state_text import state_text
from compose_core.units import format_duration

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.records.job_index import ListedJob

_Cell = Callable[["ListedJob"], str]


def print_jobs(output: Output, jobs: Sequence[ListedJob], *, now: float, with_project: bool) -> None:
    """All jobs as they are given; on a terminal with ages in place of times, and without columns that say nothing."""
    heads, rows = job_rows(jobs, now=now, with_project=with_project, short=sys.stdout.isatty())
    output.table(heads, rows)


def job_rows(
    jobs: Sequence[ListedJob], *, now: float, with_project: bool, short: bool
) -> tuple[list[str], list[list[str]]]:
    """Heads and rows."""
    cells: dict[str, _Cell] = {
        "JOB": lambda job: job.job_id,
        "NAME": lambda job: job.name,
        "STATE": state_text,
        "ENGINE": lambda job: job.backend,
        "SUBMITTED": lambda job: (
            f"{format_duration(max(0.0, now - job.submitted_at))} ago" if short else iso(job.submitted_at)
        ),
        "TIME": elapsed,
        "REASON": _reason,
        **({"FOLDER": lambda job: job.project_dir} if with_project else {}),
    }
    columns = {head: [cell(job) for job in jobs] for head, cell in cells.items()}
    if short and len(set(columns["ENGINE"])) < 2:
        del columns["ENGINE"]
    if not any(columns["REASON"]):
        del columns["REASON"]
    return list(columns), [list(row) for row in zip(*columns.values())]


def elapsed(job: ListedJob) -> str:
    """How long it has run."""
    if job.started_at is None:
        return "-"
    end = job.ended_at if job.ended_at is not None else job.observed_at
    return format_duration(max(0.0, end - job.started_at))


def _reason(job: ListedJob) -> str:
    """Why it waits, in Slurm's word; why it is not known, in ours."""
    if job.array is not None and not job.terminal:
        return ", ".join(f"{count} {state}" for state, count in job.array["counts"].items())
    if job.terminal or job.stale:
        return job.detail
    return job.reason
