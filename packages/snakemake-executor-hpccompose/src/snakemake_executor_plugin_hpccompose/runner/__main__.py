"""`python -m snakemake_executor_plugin_hpccompose.runner [UNIT_FOLDER]`: the members of this job's task.

Without an argument the folder is that of the variable `HPCC_UNIT`, so that all units of a shape share one command.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snakemake_executor_plugin_hpccompose.containers import enter_job, remove_unpacked
from snakemake_executor_plugin_hpccompose.runner.member_pool import MemberPool
from snakemake_executor_plugin_hpccompose.runner.results import STOPPED_EXIT_CODE, Result
from snakemake_executor_plugin_hpccompose.runner.starting import (
    CannotFork,
    Start,
    fork,
    import_once,
    spawn,
    try_fork,
    warm_up,
)
from snakemake_executor_plugin_hpccompose.runner.surroundings import surroundings
from snakemake_executor_plugin_hpccompose.runner.unit import Unit, UnitFileError, read_unit


def main(argv: list[str]) -> int:
    """The exit code: 0 when all members are well, that of the one member, else 1; 143 when the job was told to end."""
    folder = argv[0] if len(argv) == 1 else os.environ.get("HPCC_UNIT", "") if not argv else ""
    if not folder:
        _say(
            "usage: python -m snakemake_executor_plugin_hpccompose.runner UNIT_FOLDER, or HPCC_UNIT=UNIT_FOLDER in the environment"
        )
        return 2
    around = surroundings(os.environ)
    enter_job(os.environ)
    try:
        unit = read_unit(Path(folder), around.task)
        os.chdir(unit.cwd)
    except (UnitFileError, OSError) as error:
        _say(str(error))
        return 2
    if unit.umask is not None:
        os.umask(unit.umask)  # the files of the runner itself are private whatever it is
    pool = MemberPool(unit, around, _say)
    start, how = _way(unit)
    count = len(unit.members)
    _say(
        f"unit {unit.unit} task {unit.task}: {count} job{'s' * (count != 1)}, {min(unit.parallel, count)} at a time, {how}"
    )
    try:
        results = pool.run(start)
    finally:
        remove_unpacked(os.environ)
    _say(_account(results))
    return _exit_code(unit, results, pool.stopped_by)


def _way(unit: Unit) -> tuple[Start, str]:
    """How members are started here, and in words. One member alone is its own trial, and nothing is shared."""
    if all(member.shell is not None for member in unit.members):
        return spawn, "each its shell command alone"
    if unit.runner == "subprocess":
        return spawn, "each a Snakemake of its own"
    try:
        version = import_once()
        if len(unit.members) > 1:
            warm_up()
            try_fork()
    except CannotFork as fault:
        return spawn, f"each a Snakemake of its own ({fault})"
    return fork, f"forked off one Snakemake {version}"


def _account(results: list[Result]) -> str:
    well = sum(result.ok for result in results)
    return f"{well} of {len(results)} well" if len(results) != 1 else "well" if well else "failed"


def _exit_code(unit: Unit, results: list[Result], stopped_by: int | None) -> int:
    if all(result.ok for result in results) and len(results) == len(unit.members):
        return 0
    if stopped_by is not None:
        return STOPPED_EXIT_CODE
    return results[0].exit_code if len(results) == 1 else 1


def _say(line: str) -> None:
    """One line of the main service's output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
