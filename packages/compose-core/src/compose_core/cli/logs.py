"""`hpcc logs`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.log_lines import echo_log_line
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.errors import UsageError
from compose_core.units import parse_duration_s


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
@click.option("--since", metavar="DURATION", help="Only what was written in the last 30s, 15m, 2h, 1d …")
@click.option("--until", metavar="DURATION", help="Only what was written before that long ago.")
@click.option("--raw", is_flag=True, help="Pass escape sequences of the programs on to the terminal.")
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
    raw: bool,
) -> int:
    """Streams, in constant memory."""
    from compose_core.tracking.log_source import service_logs
    from compose_core.tracking.service_logs import follow_logs, prefix_width, read_logs

    if follow and (tools.output.is_json or until is not None):
        raise UsageError("--follow has no end to report", remedy="Leave out --follow, or --format json and --until.")
    record = tools.find_job(file, job_id)
    sources = service_logs(record, services, attempt=attempt)
    count = None if all_lines else lines
    begin, end = _ago(tools, "--since", since), _ago(tools, "--until", until)
    if follow:
        from compose_core.cli.follow import JobFollower

        follower = JobFollower(tools, record, silent=True)
        found = follow_logs(sources, tools.site.clock, is_over=follower.is_over, lines=count, since=begin, grep=grep)
    else:
        found = read_logs(sources, lines=count, since=begin, until=end, grep=grep)
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "job_id": record.job_id,
                "lines": [{"service": line.service, "text": line.text, "cut": line.is_cut} for line in found],
            }
        )
        return 0
    width = prefix_width(sources)
    shown = 0
    for line in found:
        echo_log_line(line, width=width, raw=raw)
        shown += 1
    if not shown and grep is None:
        tools.output.talk(f"no output{f' since {iso(begin)}' if begin else ''}; batch log: {record.batch_log}")
    return 0


def _ago(tools: Tools, option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return tools.site.clock.now() - parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
