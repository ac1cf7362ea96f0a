"""The option tables of docs/commands.md, from the commands: `python -m docs.generate_command_tables` writes them anew."""

from __future__ import annotations

from pathlib import Path

import click

from compose_core.cli.main import COMMANDS, every_command
from docs.generated_blocks import rewrite, table

PAGE = Path(__file__).parent / "commands.md"
COMMON = ("output_format", "engine", "quiet", "color")
"""Parameters that every command has; they are described once."""


def blocks() -> dict[str, str]:
    """`list`, `common` and each command's name to its part of the page."""
    return {
        "list": table(
            ["command", "what it does"],
            [
                [f"[`hpcc {name}`](#hpcc-{name.replace(' ', '-')})", _line(name, command)]
                for name, command in every_command().items()
            ],
        ),
        "common": _options([option for option in _shown("status") if option.name in COMMON]),
        **{name: _command(name) for name in every_command()},
    }


def _line(name: str, command: click.Command) -> str:
    """What it does, as `hpcc --help` says it; of a command in a group, the first sentence of its own help."""
    return COMMANDS.get(name) or (command.help or "").split("\n\n")[0]


def _command(name: str) -> str:
    common = {option.name: _row(option) for option in _shown("status") if option.name in COMMON}
    own = [option for option in _shown(name) if common.get(option.name or "") != _row(option)]
    text = (every_command()[name].help or "").strip()
    return f"{text}\n\n{_options(own)}" if own else text


def _shown(name: str) -> list[click.Option]:
    parameters = every_command()[name].params
    return [option for option in parameters if isinstance(option, click.Option) and not option.hidden]


def _options(options: list[click.Option]) -> str:
    return table(["option", "default", "meaning"], [_row(option) for option in options])


def _row(option: click.Option) -> list[str]:
    names = ", ".join(f"`{text}`" for text in option.opts)
    if option.secondary_opts:
        names += " / " + ", ".join(f"`{text}`" for text in option.secondary_opts)
    if not option.is_flag:
        names += f" `{_value(option)}`"
    default = _default(option)
    return [names, f"`{default}`" if default else "", option.help or ""]


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    if isinstance(option.type, click.Path):
        return option.metavar or "PATH"
    return option.metavar or {"integer range": "N", "float range": "SECONDS"}[option.type.name]


def _default(option: click.Option) -> str:
    if option.secondary_opts:
        return (option.opts if option.default else option.secondary_opts)[0]
    if option.is_flag or option.multiple or not isinstance(option.default, str | int | float | Path):
        return ""
    return str(option.default)


if __name__ == "__main__":
    rewrite(PAGE, blocks())
