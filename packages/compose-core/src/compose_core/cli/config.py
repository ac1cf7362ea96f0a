"""`hpcc config`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools


@click.command(help="Print the compose file as it is understood: canonical, variables filled in, secrets as ***.")
@options.compose_file
@options.strict_env
@click.option("--variables", is_flag=True, help="Print instead which variables were used and where each came from.")
@options.common
def config(tools: Tools, file: Path, strict_env: bool, variables: bool) -> None:
    """YAML on stdout that means the same as the file."""
    loaded = tools.load(file, strict_env=strict_env)
    tools.output.warn(loaded.warnings)
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "compose_file": str(loaded.source),
                "spec_sha256": loaded.sha256,
                "config": loaded.effective(),
                "variables": dict(loaded.variables_used),
            }
        )
    elif variables:
        tools.output.table(["VARIABLE", "FROM"], [[name, origin] for name, origin in loaded.variables_used.items()])
    else:
        import yaml

        tools.output.data(yaml.safe_dump(loaded.effective(), sort_keys=False, allow_unicode=True), newline=False)
