"""`hpcc logs`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.log_lines import print_log_lines, print_log_report
from compose_core.cli.moment import moment
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.errors import UsageError


@click.command(help="Print or follow the output of the services; with several of them each line says whose it is.")
@options.compose_file
@options.job_id
@options.service
@options.attempt
@click.option("--follow", "-F", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "--lines",
    "-n",
    metavar="N",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Lines from the end of each log.",
)
@click.option("--all", "all_lines", is_flag=True, help="From the beginning.")
@click.option("--grep", metavar="REGEX", help="Only lines that match.")
@click.option("--since", metavar="TIME", help="Only what was written since 30s, 15m, 1h30m, 1d … ago, or since a date.")
@click.option("--until", metavar="TIME", help="Only what was written until that long ago, or until a date.")
@click.option("--batch", is_flag=True, help="What the batch script itself wrote, instead of the services' output.")
@click.option("--raw", is_flag=True, help="Pass every byte on as it is, escape sequences included.")
@options.common
def logs(
    tools: Tools,
    file: Path,
    job_id: str | None,
    services: tuple[str, ...],
    attempt: int | None,
    follow: bool,
    lines: int,
    all_lines: bool,
    grep: str | None,
    since: str | None,
    until: str | None,
    batch: bool,
    raw: bool,
) -> int:
    """Streams, in constant memory."""
    from compose_core.tracking.log_source import batch_logs, service_logs
    from compose_core.tracking.service_logs import follow_logs, prefix_width, read_logs

    if follow and tools.output.is_json:
        raise UsageError("--follow has no end to report", remedy="Leave out --follow, or --format json.")
    if follow and until is not None:
        raise UsageError("--follow goes on, and --until ends in the past", remedy="Give one of them.")
    if batch and (services or attempt is not None):
        raise UsageError(
            "--batch goes with neither --service nor --attempt",
            remedy="A job has one batch log, over all its attempts.",
        )
    now = tools.site.clock.now()
    begin, end = moment("--since", since, now), moment("--until", until, now)
    if begin is not None and end is not None and begin > end:
        raise UsageError("--since is later than --until", remedy="`--since 5m --until 2m` is from 5 to 2 minutes ago.")
    record = tools.find_job(file, job_id)
    sources = batch_logs(record) if batch else service_logs(record, services, attempt=attempt)
    count = None if all_lines else lines
    if follow:
        from compose_core.cli.follow import JobFollower

        follower = JobFollower(tools, record, silent=True)
        found = follow_logs(sources, tools.site.clock, is_over=follower.is_over, lines=count, since=begin, grep=grep)
    else:
        found = read_logs(sources, lines=count, since=begin, until=end, grep=grep)
    if tools.output.is_json:
        print_log_report({"schema_version": 1, "job_id": record.job_id}, found)
        return 0
    width = prefix_width(sources)
    shown = print_log_lines(found, width=width, services=record.services, raw=raw, at_once=follow)
    if not shown and grep is None:
        tools.output.talk(f"no output{f' since {iso(begin)}' if begin else ''}; batch log: {record.batch_log}")
    return 0
