"""`hpcc submit`."""

from __future__ import annotations

from typing import Any

import click

from compose_core.cli import options
from compose_core.cli.following import following
from compose_core.cli.queue_watch import queue_watching
from compose_core.cli.tools import Tools
from compose_core.cli.up import submit_and_follow


@click.command(help="Submit the job and return at once; the job id is printed. With --watch it is `hpcc up`.")
@options.compose_file
@options.strict_env
@options.submission
@click.option(
    "--watch/--detach", default=False, help="Follow the job, or return once it is submitted.", show_default=True
)
@queue_watching
@following
@options.common
@options.programs
def submit(tools: Tools, **choices: Any) -> int:
    """As `up`, without following."""
    return submit_and_follow(tools, **choices)
