"""The command of `--exec`: called for each change of state, with the facts in its environment and on its standard input."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from compose_core.clock import with_readable_times
from compose_core.cluster.runner import CommandRunner, Finished, TimedOut
from compose_core.errors import UsageError
from compose_core.records.json_text import json_bytes
from compose_core.records.monitor_rows import StateChange

TIMEOUT_S = 30.0


class Hook:
    """One program with its arguments; no shell reads any of them."""

    def __init__(
        self,
        argv: Sequence[str],
        runner: CommandRunner,
        environment: Mapping[str, str],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._argv = tuple(argv)
        self._runner = runner
        self._environment = environment
        self._timeout_s = timeout_s

    def call(self, change: StateChange) -> str:
        """Why the command did not end well; empty when it did."""
        outcome = self._runner.run(
            self._argv,
            timeout_s=self._timeout_s,
            env={**self._environment, **facts(change)},
            stdin=json_bytes(with_readable_times(change.model_dump(mode="json"))),
        )
        match outcome:
            case Finished(rc=0):
                return ""
            case Finished():
                how = f"signal {-outcome.rc}" if outcome.rc < 0 else f"status {outcome.rc}"
                return f"{self._argv[0]} ended with {how}: {outcome.first_error_line}"
            case TimedOut():
                return f"{self._argv[0]} did not end within {outcome.timeout_s:g} s and was killed"
        return (
            f"{self._argv[0]} printed too much and was killed" if not hasattr(outcome, "message") else outcome.message
        )


def hook_words(text: str) -> list[str]:
    """The program and its arguments, as a shell would split them; nothing is filled in.

    Raises: UsageError: there are none, or a quotation is not closed.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--exec {text!r}: {error}", code="exec") from error
    if not words:
        raise UsageError("--exec names no program", remedy="Give a program and its arguments.", code="exec")
    return words


def facts(change: StateChange) -> dict[str, str]:
    """The variables that the command gets."""
    values = {
        "EVENT": change.event,
        "EVENT_NUMBER": change.number,
        "JOB_ID": change.job_id,
        "JOB_NAME": change.name,
        "PREVIOUS_STATE": change.previous,
        "STATE": change.current,
        "TERMINAL": "1" if change.terminal else "0",
        "EXIT_CODE": change.exit_code,
        "REASON": change.reason,
        "ELAPSED_S": None if change.elapsed_s is None else f"{change.elapsed_s:g}",
        "JOB_DIR": change.job_dir,
        "COMPOSE_FILE": change.compose_file,
    }
    return {
        f"HPC_COMPOSE_{name}": "" if value is None else str(value).replace("\0", "") for name, value in values.items()
    }
