"""`hpcc render`."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.output import write_private
from compose_core.cli.tools import Tools


@click.command(help="Print the batch script that `up` would submit; `sbatch` runs it as it is.")
@options.compose_file
@options.strict_env
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout.")
@click.option("--readable", is_flag=True, help="Only the part made for reading, without the supervisor.")
@options.common
def render(tools: Tools, file: Path, strict_env: bool, output: Path | None, readable: bool) -> None:
    """The script, on stdout or in a file of mode 0600."""
    from compose_core.render import readable_part, render_script

    plan = tools.plan(file, strict_env=strict_env)
    tools.output.warn(plan.warnings)
    script = render_script(plan)
    text = readable_part(script) if readable else script
    if output is not None:
        write_private(output, text)
    if tools.output.is_json:
        tools.output.json(
            {"schema_version": 1, "script": text, "script_path": str(output.absolute()) if output else None}
        )
    elif output is None:
        tools.output.data(text, newline=False)
    else:
        tools.output.talk(f"wrote {output}; submit it with: sbatch {output}")
