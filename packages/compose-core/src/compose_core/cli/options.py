"""The options that commands share, declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compose_core.cli import live_values
from compose_core.cli.report_error import report_error
from compose_core.cli.tools import Tools
from compose_core.errors import HpccError

if TYPE_CHECKING:
    from compose_core.cluster.engine import CallCounter

Command = TypeVar("Command", bound=Callable[..., Any])
_CALLS = "tells_calls"

compose_file = click.option(
    "--file",
    "-f",
    type=click.Path(path_type=Path),
    default=Path("compose.yaml"),
    show_default=True,
    help="The compose file.",
)
job_id = click.option(
    "--job-id", metavar="ID", shell_complete=live_values.job_ids, help="Another tracked job than the newest one."
)
service = click.option(
    "--service",
    "services",
    metavar="NAME",
    multiple=True,
    shell_complete=live_values.services,
    help="Only this service; may be given several times.",
)
attempt = click.option(
    "--attempt",
    metavar="N",
    type=click.IntRange(min=0),
    help="Another attempt than the newest one, of a job with x-slurm.resume.",
)
strict_env = click.option(
    "--strict-env", is_flag=True, help="Refuse a file in which a variable is not set and its default is used."
)


def programs(command: Command) -> Command:
    """Other programs than those on the PATH; the command gets them as its `tools`' site."""

    @click.option("--enroot-bin", metavar="PATH", help="The enroot of this machine.")
    @click.option("--apptainer-bin", metavar="PATH", help="The apptainer of this machine.")
    @click.option(
        "--srun-bin", metavar="PATH", help="The srun of this machine, for checks; a job uses that of its nodes."
    )
    @click.option("--sbatch-bin", metavar="PATH", help="The sbatch of this machine.")
    @functools.wraps(command)
    def with_programs(
        *args: Any,
        tools: Tools,
        enroot_bin: str | None,
        apptainer_bin: str | None,
        srun_bin: str | None,
        sbatch_bin: str | None,
        **kwargs: Any,
    ) -> Any:
        chosen = {"enroot": enroot_bin, "apptainer": apptainer_bin, "srun": srun_bin, "sbatch": sbatch_bin}
        named = tools.with_programs({name: path for name, path in chosen.items() if path})
        return command(*args, tools=named, **kwargs)

    return with_programs  # type: ignore[return-value]


def submission(command: Command) -> Command:
    """What `up` and `submit` have in common."""
    for option in (
        click.option("--no-preflight", is_flag=True, help="Leave the checks of `hpcc preflight` out."),
        click.option("--skip-prepare", is_flag=True, help="Make no image; those that are there are checked and used."),
        click.option("--force-rebuild", is_flag=True, help="Import and build images anew."),
        click.option(
            "--keep-failed-prep", is_flag=True, help="Keep the folder of an image build that fails, and say where."
        ),
        click.option(
            "--run-key",
            metavar="KEY",
            help="Name of the task this job is for: a second submit with the same key attaches to the job.",
        ),
        click.option(
            "--script-out",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Keep a copy of the script here.",
        ),
        click.option(
            "--dry-run", is_flag=True, help="Do everything but submit; with --skip-prepare, images are left alone, too."
        ),
        click.option(
            "--resume-diff-only",
            is_flag=True,
            help="Show what changed since the latest run in the folder of x-slurm.resume, and submit nothing.",
        ),
        click.option(
            "--allow-resume-changes",
            is_flag=True,
            help="Go on from that run's checkpoint although the configuration changed.",
        ),
        click.option(
            "--metrics-interval",
            type=click.IntRange(min=1),
            metavar="SECONDS",
            help="Sample metrics this often, whatever the file says.",
        ),
        click.option("--no-metrics", is_flag=True, help="Sample no metrics, whatever the file says."),
    ):
        command = option(command)
    return command


def common(command: Command) -> Command:
    """The options of every command; the command gets them as one `tools` argument."""
    return common_with("text", "json")(command)


def common_with(*formats: str) -> Callable[[Command], Command]:
    """The same for a command that writes its answer in other forms, too."""

    def with_options(command: Command) -> Command:
        told = click.option("--verbose", _CALLS, is_flag=True, help="Say in the end how often the scheduler was asked.")
        return told(_with_common(command, formats))

    return with_options


def common_besides_verbose(command: Command) -> Command:
    """The same for commands with a `--verbose` of their own."""
    return _with_common(command, ("text", "json"))


def _with_common(command: Command, formats: tuple[str, ...]) -> Command:

    @click.option(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default="text",
        show_default=True,
        help="How the answer is written.",
    )
    @click.option("--json", "as_json", is_flag=True, hidden=True, help="The same as --format json.")
    @click.option(
        "--engine",
        type=click.Choice(["auto", "slurm", "local"]),
        default="auto",
        show_default=True,
        envvar="HPC_COMPOSE_USE_ENGINE",
        help="Where jobs run; auto takes Slurm where there is an sbatch.",
    )
    @click.option("--quiet", "-q", is_flag=True, help="Say nothing but the answer.")
    @click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="Colours; auto means on a terminal.",
    )
    @functools.wraps(command)
    def with_tools(
        *args: Any,
        output_format: str,
        as_json: bool,
        engine: str,
        quiet: bool,
        color: str,
        **kwargs: Any,
    ) -> Any:
        click.get_current_context().color = {"auto": _no_color(), "always": True, "never": False}[color]
        with _calls_told(wanted=bool(kwargs.pop(_CALLS, False))) as calls:
            form = "json" if as_json else output_format
            tools = Tools.of(output_format=form, engine=engine, quiet=quiet, calls=calls)
            try:
                return command(*args, tools=tools, **kwargs)
            except HpccError as error:  # reported here, where --format and --color are known
                return report_error(error, as_json=tools.output.is_json)

    return with_tools  # type: ignore[return-value]


@contextmanager
def _calls_told(*, wanted: bool) -> Iterator[CallCounter | None]:
    """A counter of the scheduler's calls, told on stderr in the end, however the command ends."""
    if not wanted:
        yield None
        return
    from compose_core.cluster.engine import CallCounter

    calls = CallCounter()
    try:
        yield calls
    finally:
        click.echo(f"scheduler: {calls}", err=True)


def _no_color() -> bool | None:
    """False where NO_COLOR is set (https://no-color.org), else None: look at the terminal."""
    import os

    return False if os.environ.get("NO_COLOR") else None
