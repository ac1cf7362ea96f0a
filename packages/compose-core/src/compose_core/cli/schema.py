"""`hpcc schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.output import write_private
from compose_core.cli.tools import Tools


@click.command(help="Print the JSON Schema of compose files; editors complete and check with it.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout.")
@options.common
def schema(tools: Tools, output: Path | None) -> None:
    """JSON Schema, draft 2020-12."""
    from compose_core.spec.json_schema import compose_schema

    text = json.dumps(compose_schema(), indent=2) + "\n"
    if output is None:
        tools.output.data(text, newline=False)
    else:
        write_private(output, text)
        tools.output.talk(f"wrote {output}")
