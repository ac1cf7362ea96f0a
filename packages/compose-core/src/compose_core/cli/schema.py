"""`hpcc schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from compose_core.cli import live_values, options
from compose_core.cli.output import write_private
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError


@click.command(
    help="Print the JSON Schema of compose files; editors complete and check with it.\n\n"
    "With --report COMMAND, that of what `hpcc COMMAND --format json` prints."
)
@click.option(
    "--report",
    metavar="COMMAND",
    shell_complete=live_values.report_names,
    help="The schema of this command's JSON report instead.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout.")
@options.common
def schema(tools: Tools, report: str | None, output: Path | None) -> None:
    """JSON Schema, draft 2020-12."""
    text = json.dumps(_report_schema(report) if report is not None else _compose_schema(), indent=2) + "\n"
    if output is None:
        tools.output.data(text, newline=False)
    else:
        write_private(output, text)
        tools.output.talk(f"wrote {output}")


def _compose_schema() -> dict[str, object]:
    from compose_core.spec.json_schema import compose_schema

    return compose_schema()


def _report_schema(command: str) -> dict[str, object]:
    from compose_core.cli.report_schemas import REPORTS, report_schema

    if command not in REPORTS:
        raise UsageError(f"{command!r} has no JSON report", remedy=f"These have one: {', '.join(REPORTS)}.")
    return report_schema(command)
