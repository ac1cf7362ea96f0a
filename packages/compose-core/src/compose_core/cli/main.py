"""The entry of `hpcc`: finds the command, and turns errors into text and an exit status."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from compose_core.cli.help_text import HelpContext, with_help
from compose_core.cli.live_values import VARIABLE
from compose_core.cli.report_error import report_error
from compose_core.errors import ExitCode, UsageError
from compose_core.version import __version__

_WRITE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Why our own output cannot be written: a full disk behind `hpcc jobs > list.txt`."""

COMMANDS = {
    "init": "Begin a compose file from one of the examples.",
    "migrate": "Convert a docker-compose file, and say what became of each of its keys.",
    "validate": "Check a compose file and say everything that is wrong with it.",
    "config": "Print the compose file as it is understood: canonical, variables filled in.",
    "schema": "Print the JSON Schema of compose files, for editors.",
    "plan": "Show what would be submitted, and why each default is what it is.",
    "inspect": "Show each service in detail: command, environment, mounts, geometry.",
    "render": "Print the batch script that `up` would submit.",
    "preflight": "Check what the job needs of this machine and this site.",
    "prepare": "Make the images ready that the services run in.",
    "cache": "Look at the cached images, and remove those that nothing needs.",
    "up": "Submit the job and follow it until it ends.",
    "submit": "Submit the job and return at once.",
    "sweep": "Submit the trials of a sweep as job arrays, and look after them.",
    "status": "Show the state of a job and of its services.",
    "ps": "Show one line per service of a job.",
    "watch": "Look at a job while it runs, in a live view or line by line.",
    "logs": "Print or follow the output of the services.",
    "replay": "Look at a run again, at any of its moments.",
    "stats": "Show what a job used: CPU time, memory, GPUs, energy.",
    "score": "Say how well a job used what it had, from 0 to 100.",
    "germinate": "Run the file for a minute with little, and say what to ask for.",
    "diff": "Show what differs between two jobs, or a job and the compose file.",
    "cancel": "Ask for the end of a job; its records and logs stay.",
    "down": "End a job and remove its files.",
    "clean": "Remove the files of finished jobs, by age or by count.",
    "artifacts": "Copy what a job collected to its export folder.",
    "debug": "Say what is wrong with a job, and what to do next.",
    "jobs": "List the tracked jobs of a folder.",
    "monitor": "Watch jobs until all have ended, and tell every change once.",
    "completions": "Print the script that makes the shell complete what you type.",
}
"""Each command and its line in `hpcc --help`; its code is imported only when it is called."""

PLUMBING = frozenset({"door"})
"""Commands for programs, which are in no list."""


def every_command() -> dict[str, click.Command]:
    """All commands by what a person types after `hpcc`, those of a group one by one: `cache list`."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = hpcc.get_command(click.Context(hpcc), name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else None
        found |= {name: command} if below is None else {f"{name} {other}": below[other] for other in below}
    return found


class LazyCommands(click.Group):
    """A group that imports a command when it is called, not when `hpcc` starts."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind a name; None when there is none."""
        if cmd_name not in COMMANDS and cmd_name not in PLUMBING:
            return None
        command = getattr(importlib.import_module(f"compose_core.cli.{cmd_name}"), cmd_name)
        return with_help(cmd_name, command) if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but before click itself makes a failure of it that the reader of our output has gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _reader_left()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands that begin like this, without importing one."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a mistyped command."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS and name not in PLUMBING:
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


_HELP = """One Compose-like file becomes one Slurm job.

\b
Start with
  hpcc validate   is the file right?
  hpcc plan       what would be submitted, and why?
  hpcc up         submit it and follow it
"""


@click.command(
    cls=LazyCommands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hpcc", message="%(prog)s %(version)s")
def hpcc() -> None:
    """The group of all commands."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `hpcc` and exit with the status that the command deserves."""
    _open_missing_streams()
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `hpcc` and give its exit status; errors have been reported."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if VARIABLE in os.environ:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - a shell asks, and a person types
    try:
        result: Any = hpcc.main(args=argv, prog_name="hpcc", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        if wants_json(argv):
            return report_error(UsageError(error.format_message()), as_json=True)
        error.show()
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\ninterrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        if error.filename is not None or error.errno not in _WRITE_FAULTS:
            raise
        _reader_left()
        click.echo(f"error: the answer cannot be written: {error.strerror}", err=True)
        return int(ExitCode.FAILED)
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def wants_json(argv: Sequence[str]) -> bool:
    """The command line asks for JSON; read from the words themselves, because a mistake in them leaves no parsed options."""
    return any(
        word in ("--format=json", "--json") or (word == "--format" and argv[position + 1 : position + 2] == ["json"])
        for position, word in enumerate(argv)
    )


def _reader_left() -> int:
    """Whoever read our output has gone (`hpcc logs | head`): not an error, and Python must not complain at exit."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - os.devnull is no path of a project
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return int(ExitCode.OK)


def _open_missing_streams() -> None:
    """Stand-ins for standard streams that were closed before we began, so that no file of ours takes their number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a descriptor


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(int(ExitCode.TERMINATED))
