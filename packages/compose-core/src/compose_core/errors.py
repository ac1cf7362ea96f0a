"""Every error of hpc-compose: what happened, where, what to do, and the exit code it ends with.

Raise the narrowest class; the command line alone turns an error into text and an exit status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal


class ExitCode(IntEnum):
    """The exit statuses that `hpcc` promises."""

    OK = 0
    FAILED = 1
    """The job, or an operation on it, failed."""
    USAGE = 2
    """The command line or the compose file is wrong; nothing was written."""
    ENVIRONMENT = 3
    """This machine or site lacks something that the run needs."""
    UNREACHABLE = 4
    """The scheduler did not answer; nothing is known to have changed."""
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in a file that a person wrote."""

    file: str
    line: int
    """1-based; 0 when only the file is known."""
    column: int = 0
    """1-based; 0 when only the line is known."""
    key_path: str = ""
    """Dotted path of the key, list positions in brackets: `services.web.volumes[0]`."""

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line and self.column else f":{self.line}" if self.line else ""
        key = f" {self.key_path}" if self.key_path else ""
        return f"{self.file}{position}{key}"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding about a compose file or an environment, good enough to act on."""

    code: str
    """Stable identifier in kebab case, such as `unknown-key`."""
    message: str
    """What was found and what is allowed, in one sentence."""
    where: Location | None = None
    remedy: str = ""
    """What to do about it, in one sentence; empty when the message already says it."""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  remedy: {self.remedy}" if self.remedy else ""
        return f"{place}{self.severity}[{self.code}]: {self.message}{remedy}"

    def as_json(self) -> dict[str, Any]:
        """The fields of `--format json`: code, severity, message, remedy, file, line, column, key_path."""
        where = self.where
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "remedy": self.remedy,
            "file": where.file if where else None,
            "line": where.line if where and where.line else None,
            "column": where.column if where and where.column else None,
            "key_path": where.key_path if where else "",
        }


class HpccError(Exception):
    """Something went wrong that a person can act on."""

    exit_code: ExitCode = ExitCode.FAILED
    code: str = "failed"

    def __init__(
        self, message: str, *, where: Location | None = None, remedy: str = "", details: str = "", code: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy
        self.details = details
        """Further lines worth showing, such as the last output of a program that failed."""
        if code:
            self.code = code

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The findings behind this error: itself, unless a subclass collected several."""
        return (Problem(code=self.code, message=self.message, where=self.where, remedy=self.remedy),)

    def __str__(self) -> str:
        text = "\n".join(str(problem) for problem in self.problems)
        return f"{text}\n{self.details}" if self.details else text

    def as_json(self) -> dict[str, Any]:
        """The error object of `--format json`: exit_code, details and the list of problems."""
        return {
            "schema_version": 1,
            "error": {
                "code": self.code,
                "exit_code": int(self.exit_code),
                "message": self.message,
                "details": self.details,
                "problems": [problem.as_json() for problem in self.problems],
            },
        }


class UsageError(HpccError):
    """The command was called in a way that makes no sense."""

    exit_code = ExitCode.USAGE
    code = "usage"


class SpecError(HpccError):
    """A compose file is invalid: every problem of it at once, in the order of the file."""

    exit_code = ExitCode.USAGE
    code = "invalid-spec"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = tuple(problems)
        errors = [problem for problem in self._problems if problem.severity == "error"]
        count = len(errors)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the compose file")

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._problems


class EnvironmentProblem(HpccError):
    """A program, folder or right that the run needs is missing on this machine."""

    exit_code = ExitCode.ENVIRONMENT
    code = "environment"


class SchedulerUnreachable(HpccError):
    """The scheduler did not answer; what it knows is unknown, not absent."""

    exit_code = ExitCode.UNREACHABLE
    code = "scheduler-unreachable"


class SchedulerRefused(HpccError):
    """The scheduler answered and said no; nothing was submitted."""

    code = "scheduler-refused"


class SchedulerOutputError(HpccError):
    """A scheduler program printed something of another shape than its manual promises."""

    code = "scheduler-output"


class SubmissionUnresolved(HpccError):
    """It is not known whether `sbatch` accepted the job; the intent is kept and the next command resolves it."""

    exit_code = ExitCode.UNREACHABLE
    code = "submission-unresolved"


class NoSuchJob(HpccError):
    """No tracked job answers to what was asked for."""

    code = "no-such-job"


class RecordError(HpccError):
    """A file of ours cannot be read or written, or does not hold what it should."""

    code = "record"


class NotExecutedYet(HpccError):
    """A valid key that this release parses but does not execute."""

    exit_code = ExitCode.USAGE
    code = "not-executed-yet"


def raise_if_errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The warnings among `problems`.

    Raises: SpecError: at least one of them is an error.
    """
    found = tuple(problems)
    if any(problem.severity == "error" for problem in found):
        raise SpecError(found)
    return found


def problem_json(problems: Iterable[Problem]) -> list[Mapping[str, Any]]:
    """The problems as the list that JSON reports carry."""
    return [problem.as_json() for problem in problems]
