"""`hpcc completions`."""

from __future__ import annotations

import click

from compose_core.cli import options
from compose_core.cli.live_values import VARIABLE
from compose_core.cli.tools import Tools

SHELLS = ("bash", "zsh", "fish")


@click.command(
    help="Print the script that makes the shell complete what you type: commands, options, jobs, services and the like.\n\n"
    'In ~/.bashrc: eval "$(hpcc completions bash)"'
)
@click.argument("shell", type=click.Choice(SHELLS))
@options.common
def completions(tools: Tools, shell: str) -> None:
    """The script that click has for this shell."""
    script = completion_script(shell)
    if tools.output.is_json:
        tools.output.json({"schema_version": 1, "shell": shell, "script": script})
    else:
        tools.output.data(script, newline=False)


def completion_script(shell: str) -> str:
    """What the shell has to evaluate; it calls `hpcc` for the values."""
    from click.shell_completion import ShellComplete, get_completion_class

    from compose_core.cli.main import hpcc

    kind = get_completion_class(shell)
    assert kind is not None
    # Not the class's own `source`: that of bash starts a bash to ask for its version.
    return ShellComplete.source(kind(hpcc, {}, "hpcc", VARIABLE))
