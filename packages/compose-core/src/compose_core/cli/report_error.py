"""An error as a person or a program reads it."""

from __future__ import annotations

import json

import click

from compose_core.errors import HpccError, Problem


def report_error(error: HpccError, *, as_json: bool) -> int:
    """Report the error, as JSON on stdout or as text on stderr, and give its exit status."""
    if as_json:
        click.echo(json.dumps(error.as_json(), indent=2))
    else:
        for problem in error.problems:
            echo_problem(problem)
        if error.details:
            click.echo(indented(error.details), err=True)
    return int(error.exit_code)


def echo_problem(problem: Problem) -> None:
    """One finding on stderr: place, severity, message, remedy; coloured on a terminal."""
    from compose_core.terminal_text import terminal_text

    colour = "red" if problem.severity == "error" else "yellow"
    place = f"{terminal_text(str(problem.where))}: " if problem.where else ""
    label = click.style(problem.severity, fg=colour, bold=True)
    click.echo(f"{place}{label}: {terminal_text(problem.message)} [{problem.code}]", err=True)
    if problem.remedy:
        click.echo(indented(f"{click.style('remedy', bold=True)}: {terminal_text(problem.remedy)}"), err=True)


def indented(text: str) -> str:
    """Every line two columns to the right."""
    return "\n".join(f"  {line}" for line in text.splitlines())
