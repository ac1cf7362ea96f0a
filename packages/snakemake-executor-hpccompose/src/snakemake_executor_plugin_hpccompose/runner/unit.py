"""What one task of a unit has to run: the file that the executor writes and the runner reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from snakemake_executor_plugin_hpccompose.runner.direct import ShellCommand
from snakemake_executor_plugin_hpccompose.runner.whole_file import replace_file

SCHEMA_VERSION = 1

Way = Literal["auto", "fork", "subprocess", "direct"]
"""How members are started: forked off one Snakemake that was imported once, as programs of their own, or as a test at the start says.
`direct` is `auto` for members that are more than a shell command."""

_WAYS = ("auto", "fork", "subprocess", "direct")


class UnitFileError(ValueError):
    """The file is absent, torn or of another release: nothing of it can be run."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One Snakemake job, or one group job."""

    key: str
    attempt: int
    rule: str
    """For people: the rule's name, or the group's."""
    argv: tuple[str, ...]
    """Arguments of its inner Snakemake; the unit's `general_args` follow them."""
    log: str
    result: str
    cpus: int = 1
    shell: ShellCommand | None = None
    """What it is without Snakemake; None: its inner Snakemake is asked."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The members of one task, run `parallel` at a time in the order given."""

    run: str
    unit: str
    task: int
    cwd: str
    members: tuple[Member, ...]
    parallel: int = 1
    general_args: tuple[str, ...] = ()
    runner: Way = "auto"
    umask: int | None = None
    """Of the files that rules make: that of the Snakemake which submitted the unit. None: the job's own."""

    def as_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def unit_file(folder: Path, task: int) -> Path:
    """The file of this task in the unit's folder; a job that is no array is task 0."""
    return folder / f"{task}.json"


def write_unit(folder: Path, unit: Unit) -> Path:
    """The file, whole and on disk."""
    path = unit_file(folder, unit.task)
    replace_file(path, json.dumps(unit.as_json(), indent=1).encode())
    return path


def read_unit(folder: Path, task: int) -> Unit:
    """What that task has to run.

    Raises: UnitFileError: there is no such file, or it is not one of this release.
    """
    path = unit_file(folder, task)
    try:
        return unit_from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UnitFileError(
            f"{path}: cannot be read ({error.strerror}): is the working directory shared with the nodes?"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnitFileError(f"{path}: is not the description of a unit: {type(error).__name__}: {error}") from error


def unit_from_json(found: Any) -> Unit:
    """The unit that `as_json` gave.

    Raises: KeyError, TypeError, ValueError: it is something else.
    """
    if found["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {found['schema_version']!r}, this release reads {SCHEMA_VERSION}")
    if found.get("runner", "auto") not in _WAYS:
        raise ValueError(f"runner {found['runner']!r}, known are {', '.join(_WAYS)}")
    return Unit(
        run=str(found["run"]),
        unit=str(found["unit"]),
        task=int(found["task"]),
        cwd=str(found["cwd"]),
        parallel=max(1, int(found["parallel"])),
        general_args=_texts(found["general_args"]),
        members=tuple(_member(member) for member in found["members"]),
        runner=cast("Way", found.get("runner", "auto")),
        umask=None if found.get("umask") is None else int(found["umask"]) & 0o777,
    )


def _member(found: Mapping[str, Any]) -> Member:
    return Member(
        key=str(found["key"]),
        attempt=int(found["attempt"]),
        rule=str(found["rule"]),
        argv=_texts(found["argv"]),
        log=str(found["log"]),
        result=str(found["result"]),
        cpus=max(1, int(found["cpus"])),
        shell=None if found.get("shell") is None else ShellCommand.from_json(found["shell"]),
    )


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TypeError("arguments are a list of texts")
    return tuple(found)
