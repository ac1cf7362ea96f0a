"""The manual pages of `hpcc`, from the commands: `python -m docs.generate_man_pages` writes packages/compose-core/man/ anew.

The wheel of compose-core installs them below share/man, where `man` finds them for programs in the bin folder beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from compose_core.cli.examples import EXAMPLES
from compose_core.cli.help_text import first_sentence
from compose_core.cli.main import COMMANDS, every_command, hpcc
from compose_core.version import __version__

FOLDER = Path(__file__).parents[1] / "packages/compose-core/man"
EXIT_STATUSES = {
    "0": "It worked; of a command that waits for a job: the job completed.",
    "1": "The job, or what was to be done with it, failed.",
    "2": "The command line or the compose file is wrong; nothing was written.",
    "3": "This machine or site lacks something that the job needs.",
    "4": "The scheduler did not answer.",
    "130, 143": "The command was interrupted or terminated.",
}
ENVIRONMENT = {
    "HPC_COMPOSE_USE_ENGINE": "As --engine, which goes before it: auto, slurm or local.",
    "NO_COLOR": "Turns colours off, whatever its value.",
}


def pages() -> dict[str, str]:
    """File name to page: one for `hpcc`, one for each group, one for each command."""
    groups = {name: _command(name) for name in COMMANDS if isinstance(_command(name), click.Group)}
    commands = {**every_command(), **groups}
    return {"hpcc.1": _top()} | {
        f"{_page_name(name)}.1": _page(name, command) for name, command in sorted(commands.items())
    }


def write(folder: Path, made: Mapping[str, str]) -> None:
    """The pages and no other file."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.1"):
        path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def _top() -> str:
    lines = "\n".join(_item(f"\\fBhpcc {name}\\fR", line) for name, line in COMMANDS.items())
    environment = "\n".join(_item(f"\\fB{name}\\fR", text) for name, text in ENVIRONMENT.items())
    sections = {
        "NAME": f"hpcc \\- {_escaped((hpcc.help or '').partition('.')[0])}",
        "SYNOPSIS": "\\fBhpcc\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...]",
        "DESCRIPTION": _prose(hpcc.help or ""),
        "COMMANDS": lines + "\n.PP\nEach has a page of its own, such as \\fBhpcc\\-up\\fR(1).",
        "ENVIRONMENT": environment,
        "EXIT STATUS": _statuses(),
        "SEE ALSO": ", ".join(f"\\fB{_escaped(_page_name(name))}\\fR(1)" for name in COMMANDS),
    }
    return _text("hpcc", sections)


def _page(name: str, command: click.Command) -> str:
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    sections = {
        "NAME": f"{_escaped(_page_name(name))} \\- {_escaped(_line(name, command))}",
        "SYNOPSIS": " ".join(_synopsis(name, command)),
        "DESCRIPTION": _prose(command.help or ""),
        "COMMANDS": _below(name, command),
        "OPTIONS": "\n".join(_option(option) for option in options),
        "EXAMPLES": "\n".join(_item(f"\\fB{_escaped(line)}\\fR", what) for line, what in EXAMPLES.get(name, ())),
        "EXIT STATUS": "" if isinstance(command, click.Group) else _statuses(),
        "SEE ALSO": ", ".join(f"\\fB{_escaped(other)}\\fR(1)" for other in _related(name, command)),
    }
    return _text(_page_name(name), sections)


def _command(name: str) -> click.Command:
    command = hpcc.get_command(click.Context(hpcc), name)
    assert command is not None
    return command


def _line(name: str, command: click.Command) -> str:
    return COMMANDS.get(name, first_sentence(command)).rstrip(".")


def _page_name(name: str) -> str:
    return f"hpcc-{name.replace(' ', '-')}"


def _text(title: str, sections: Mapping[str, str]) -> str:
    head = f'.TH "{_escaped(title.upper())}" "1" "" "hpccompose {__version__}" "hpccompose"'
    parts = [f".SH {name}\n{text.strip()}" for name, text in sections.items() if text.strip()]
    return "\n".join(['.\\" Written by docs/generate_man_pages.py.', head, *parts]) + "\n"


def _synopsis(name: str, command: click.Command) -> Iterator[str]:
    yield f"\\fBhpcc {name}\\fR"
    if isinstance(command, click.Group):
        yield "\\fICOMMAND\\fR"
    yield "[\\fIOPTION\\fR ...]"
    for argument in command.params:
        if isinstance(argument, click.Argument):
            words = _escaped(argument.make_metavar(click.Context(command)).strip("[]"))
            yield f"\\fI{words}\\fR" if argument.required else f"[\\fI{words}\\fR]"


def _below(name: str, command: click.Command) -> str:
    if not isinstance(command, click.Group):
        return ""
    rows = command.commands.items()
    return "\n".join(_item(f"\\fBhpcc {name} {below}\\fR", first_sentence(other)) for below, other in rows)


def _related(name: str, command: click.Command) -> Iterator[str]:
    yield "hpcc"
    group, _, below = name.partition(" ")
    if below:
        yield _page_name(group)
    for other in command.commands if isinstance(command, click.Group) else ():
        yield _page_name(f"{name} {other}")


def _option(option: click.Option) -> str:
    texts = sorted((*option.opts, *option.secondary_opts), key=lambda text: text.startswith("--"))
    names = ", ".join(f"\\fB{_escaped(text)}\\fR" for text in texts)
    value = "" if option.is_flag else f" \\fI{_escaped(option.make_metavar(click.Context(click.Command('hpcc'))))}\\fR"
    default = _default(option)
    return _item(f"{names}{value}", f"{option.help}{f' Default: {default}.' if default else ''}")


def _default(option: click.Option) -> str:
    """As `--help` shows it."""
    if isinstance(option.show_default, str):
        return option.show_default
    if not option.show_default:
        return ""
    return (option.opts if option.default else option.secondary_opts)[0] if option.is_flag else str(option.default)


def _statuses() -> str:
    return "\n".join(_item(f"\\fB{status}\\fR", text) for status, text in EXIT_STATUSES.items())


def _item(head: str, text: str) -> str:
    return f".TP\n{head}\n{_escaped(text)}"


def _prose(text: str) -> str:
    """Paragraphs; one that begins with click's mark for it keeps its lines."""
    parts = [part.strip("\n") for part in text.split("\n\n")]
    return "\n.PP\n".join(_kept(part[2:]) if part.startswith("\b\n") else _escaped(part) for part in parts if part)


def _kept(text: str) -> str:
    return f".nf\n{_escaped(text)}\n.fi"


def _escaped(text: str) -> str:
    """As literal text of roff: no line of it is a request, hyphens stay what can be typed."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", "\\\\&", escaped, flags=re.MULTILINE)


if __name__ == "__main__":
    write(FOLDER, pages())
