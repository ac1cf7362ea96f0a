"""How a job is followed: in the live view, or line by line."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from compose_core.errors import UsageError

if TYPE_CHECKING:
    from compose_core.cli.tools import Tools

Command = TypeVar("Command", bound=Callable[..., Any])
WatchMode = Literal["auto", "tui", "line"]
NO_VIEW = "HPC_COMPOSE_DISABLE_WATCH_UI"


@dataclass(frozen=True, kw_only=True)
class Following:
    """What the options say."""

    mode: WatchMode = "auto"
    hold: Literal["never", "failure", "always"] = "failure"
    refresh_s: float = 0.5

    def wants_view(self, tools: Tools, environment: Mapping[str, str]) -> bool:
        """The live view is to be opened: asked for, or a person sits at a terminal that can show it.

        Raises: UsageError: it is asked for where it cannot be.
        """
        has_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
        if self.mode == "tui":
            if tools.output.is_json or not has_terminal:
                raise UsageError(
                    "the live view needs a terminal for input, output and messages",
                    remedy="Leave out --watch-mode tui: then it is opened where it can be.",
                )
            return True
        if self.mode == "line" or tools.output.is_json or tools.output.quiet or not has_terminal:
            return False
        asked_not_to = environment.get("CI") or environment.get(NO_VIEW)
        return not asked_not_to and environment.get("TERM", "dumb") != "dumb"


def following(command: Command) -> Command:
    """The options of every command that follows a job; the command gets them as one argument `following`."""

    @click.option(
        "--hold-on-exit",
        type=click.Choice(["never", "failure", "always"]),
        default="failure",
        show_default=True,
        help="Whether the live view stays open once the job is over.",
    )
    @click.option(
        "--watch-mode",
        type=click.Choice(["auto", "tui", "line"]),
        default="auto",
        show_default=True,
        help="The live view, or lines without control codes; auto means the view on an interactive terminal.",
    )
    @click.option("--no-tui", is_flag=True, help="The same as --watch-mode line.")
    @click.option(
        "--refresh",
        metavar="SECONDS",
        type=click.FloatRange(min=0.1, max=60),
        default=0.5,
        show_default=True,
        help="How often the live view reads new output; the scheduler is asked far less often.",
    )
    @functools.wraps(command)
    def with_following(
        *args: Any, hold_on_exit: str, watch_mode: str, no_tui: bool, refresh: float, **kwargs: Any
    ) -> Any:
        if no_tui and watch_mode == "tui":
            raise click.UsageError("--no-tui and --watch-mode tui contradict each other")
        mode = cast("WatchMode", "line" if no_tui else watch_mode)
        hold = cast("Literal['never', 'failure', 'always']", hold_on_exit)
        return command(*args, following=Following(mode=mode, hold=hold, refresh_s=refresh), **kwargs)

    return with_following  # type: ignore[return-value]


def process_environment() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ
