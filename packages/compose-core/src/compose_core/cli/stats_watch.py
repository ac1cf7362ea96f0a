"""`hpcc stats --watch`: the same answer again and again."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from compose_core.cli.stats_report import stats_report
from compose_core.cli.stats_rows import jsonl_text
from compose_core.errors import ExitCode

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools
    from compose_core.job_usage import UsageQuestion, UsageReading
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.snapshot import JobSnapshot

_STEPS_EVERY_S = 15.0
"""`sstat` asks every node of the job."""
_CLEAR = "\x1b[H\x1b[2J"
"""The screen, and never what scrolled out of it before."""


def watch_stats(tools: Tools, record: JobRecord, *, accounting: bool, interval_s: float) -> int:
    """Until the job is over. The accounting, which knows a job by its end, is asked then.

    The queue is asked by the pace of a person at a terminal, `sstat` every 15 s at most, the files at each look.
    """
    from compose_core.job_usage import UsageQuestion, usage_of
    from compose_core.operations import poller

    clock = tools.site.clock
    looking = poller(tools.site, [record])
    question = UsageQuestion(accounting=False)
    asked_at = float("-inf")
    known: UsageReading | None = None
    try:
        while True:
            (snapshot,) = looking.look()
            question = replace(question, steps=clock.monotonic() - asked_at >= _STEPS_EVERY_S)
            if snapshot.terminal:
                break
            reading = usage_of(tools.site, [snapshot], question)[0]
            if question.steps:
                asked_at = clock.monotonic()
                known = reading
            _show(tools, known if not question.steps and known and known.source == "sstat" else reading)
            clock.sleep(interval_s)
        _show(tools, _last(tools, snapshot, question, accounting=accounting), with_accounting=accounting)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    return 0


def _last(tools: Tools, snapshot: JobSnapshot, question: UsageQuestion, *, accounting: bool) -> UsageReading:
    from compose_core.job_usage import usage_of

    wanted = accounting or snapshot.record.backend == "local"
    return usage_of(tools.site, [snapshot], replace(question, accounting=wanted, say=tools.output.talk))[0]


def _show(tools: Tools, reading: UsageReading, *, with_accounting: bool = False) -> None:
    if tools.output.format == "jsonl" or not sys.stdout.isatty():
        click.echo(jsonl_text(stats_report(reading, with_accounting=with_accounting)), nl=False)
        sys.stdout.flush()
        return
    from compose_core.cli.stats_text import print_stats

    click.echo(_CLEAR, nl=False)
    print_stats(tools.output, reading)
