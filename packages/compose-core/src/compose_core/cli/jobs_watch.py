"""`hpcc jobs --watch`: the list again and again, as a table that changes on a terminal, elsewhere one line for each change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from compose_core.cli.columns import columns_of
from compose_core.cli.jobs_table import job_rows
from compose_core.cli.output import styled
from compose_core.clock import iso
from compose_core.terminal_text import terminal_text
from compose_core.tracking.job_listing import JobListing, Wanted, list_jobs
from compose_core.tracking.state_text import state_text
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools
    from compose_core.records.job_index import ListedJob
    from compose_core.records.job_record import JobRecord
    from compose_core.records.paths import ProjectPaths
    from compose_core.tracking.poller import Poller
    from compose_core.tracking.snapshot import JobSnapshot

_SHARE_OF_TIME = 10.0
"""A round is followed by a pause of at least so many times its length: a list of very many jobs takes long to make."""
_SHORTEST_PAUSE_S = 1.0
Show = Callable[[JobListing], None]


def watch_jobs(tools: Tools, projects: Sequence[ProjectPaths], wanted: Wanted, *, with_project: bool) -> None:
    """Show the jobs until none of them can change any more; new ones are taken in, and those that end meanwhile stay."""
    from compose_core.operations import poller

    look = PollerLook(poller(tools.site))
    clock = tools.site.clock
    with _table(tools, with_project=with_project) if sys.stdout.isatty() else _lines(tools) as show:
        while True:
            began = clock.monotonic()
            listing = list_jobs(projects, look, wanted=wanted, now=clock.now())
            show(listing)
            if all(job.terminal for job in listing.jobs):
                return
            wanted = replace(wanted, keep=wanted.keep | {job.submission_token for job in listing.jobs})
            took_s = clock.monotonic() - began
            clock.sleep(max(look.poller.pause_s(), _SHORTEST_PAUSE_S, took_s * _SHARE_OF_TIME))


class PollerLook:
    """A look at exactly these jobs, however often and at whichever it is taken, at the pace of one poller."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self._followed: dict[str, JobRecord] = {}

    def __call__(self, records: Sequence[JobRecord]) -> list[JobSnapshot]:
        """One snapshot per record, in their order."""
        asked = {record.submission_token: record for record in records}
        self.poller.forget([record for token, record in self._followed.items() if token not in asked])
        self.poller.follow(records)
        self._followed = asked
        found = {snapshot.record.submission_token: snapshot for snapshot in self.poller.look()}
        return [found[record.submission_token] for record in records]


@contextmanager
def _table(tools: Tools, *, with_project: bool) -> Iterator[Show]:
    """A table that takes the place of the one before."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    context = click.get_current_context(silent=True)
    no_color = context is not None and context.color is False
    with Live(console=Console(no_color=no_color), auto_refresh=False, vertical_overflow="ellipsis") as live:

        def show(listing: JobListing) -> None:
            text = "\n".join(_screen(listing, tools.site.clock.now(), with_project=with_project))
            live.update(Text.from_ansi(text), refresh=True)

        yield show


def _screen(listing: JobListing, now: float, *, with_project: bool) -> list[str]:
    """The lines of one picture: as many jobs as the terminal has room for, and how many there are."""
    size = shutil.get_terminal_size()
    active = sum(not job.terminal for job in listing.jobs)
    head = f"{active} of {counted(listing.tracked, 'job')} not over, {iso(now)[11:19]}; Ctrl-C leaves"
    if not listing.jobs:
        return [head]
    heads, rows = job_rows(listing.jobs, now=now, with_project=with_project, short=True)
    shown = [[terminal_text(cell) for cell in row] for row in rows[: max(1, size.lines - 4)]]
    first, *lines = columns_of(heads, shown, width=size.columns - 1, style=styled)
    rest = len(rows) - len(shown)
    return [head, click.style(first, bold=True), *lines, *([f"and {rest} more"] if rest else [])]


@contextmanager
def _lines(tools: Tools) -> Iterator[Show]:
    """A line for each job in the beginning, then one for each change."""
    told: dict[str, tuple[str, str]] = {}

    def show(listing: JobListing) -> None:
        at = iso(tools.site.clock.now())
        for job in reversed(listing.jobs):
            text = _state_and_reason(job)
            before = told.get(job.submission_token)
            if before != text:
                was = f"{before[0]} -> " if before and before[0] != text[0] else ""
                why = f" ({text[1]})" if text[1] else ""
                click.echo(terminal_text(f"{at} {job.job_id} {job.name} {was}{text[0]}{why}"))
                told[job.submission_token] = text

    yield show


def _state_and_reason(job: ListedJob) -> tuple[str, str]:
    return state_text(job), "" if job.terminal else job.reason
