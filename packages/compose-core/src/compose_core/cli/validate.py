"""`hpcc validate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import Problem, SpecError, problem_json
from compose_core.units import counted


@click.command(help="Check a compose file and say everything that is wrong with it.")
@options.compose_file
@options.strict_env
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@options.common
def validate(tools: Tools, file: Path, strict_env: bool, strict: bool) -> int:
    """Exit 0 when the file is right, 2 when it is not."""
    from compose_core.spec.executable import not_executed_yet
    from compose_core.spec.exposed_values import values_in_script

    loaded = tools.load(file, strict_env=strict_env)
    refused = (_as_warning(problem) for problem in not_executed_yet(loaded))
    notes = [*loaded.warnings, *refused, *values_in_script(loaded)]
    if strict and notes:
        raise SpecError(_as_error(problem) for problem in notes)
    tools.output.warn(notes)
    services = list(loaded.spec.services)
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "valid": True,
                "compose_file": str(loaded.source),
                "spec_sha256": loaded.sha256,
                "services": services,
                "problems": problem_json(notes),
            }
        )
    else:
        count = counted(len(services), "service")
        tools.output.data(f"{file}: valid, {count}: {', '.join(services)}")
    return 0


def _as_warning(problem: Problem) -> Problem:
    return replace(problem, severity="warning")


def _as_error(problem: Problem) -> Problem:
    return replace(problem, severity="error")
