"""The group `hpcc sweep`: each command in a file of its own."""

from __future__ import annotations

import click

from compose_core.cli.sweep_list import list_sweeps
from compose_core.cli.sweep_observe import sweep_observe as observe
from compose_core.cli.sweep_results import sweep_results as results
from compose_core.cli.sweep_resume import resume
from compose_core.cli.sweep_status import status
from compose_core.cli.sweep_stop import stop
from compose_core.cli.sweep_submit import submit
from compose_core.cli.sweep_watch import watch


@click.group(help="Submit the trials of a sweep as job arrays, and look after them.")
def sweep() -> None:
    """The group of the commands about sweeps."""


for command in (submit, status, list_sweeps, watch, observe, results, resume, stop):
    sweep.add_command(command)
