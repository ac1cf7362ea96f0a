"""`hpcc door`: one question of a program on stdin, its answer on stdout, both JSON."""

from __future__ import annotations

import json
import os
import sys

import click

from compose_core.cluster.site import Site


@click.command(
    hidden=True,
    help="Answer one question of a program, such as the Airflow provider on another machine: JSON on stdin, JSON on stdout.\n\n"
    "This is plumbing: `hpcc submit`, `hpcc status` and their like say the same to people.",
)
def door() -> int:
    """One answer; the exit status is 0 whenever there is one, be it an error."""
    from compose_core.door.wire import answered

    answer = answered(sys.stdin.buffer.read(), lambda engine: Site.detect(engine, os.environ))
    click.echo(json.dumps(answer, allow_nan=False))
    return 0
