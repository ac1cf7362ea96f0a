"""`hpcc migrate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, Problem, SpecError, UsageError, problem_json
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.migrate import Migration, NoteKind

_NAMES = ("docker-compose.yaml", "docker-compose.yml", "compose.yaml", "compose.yml")
_TITLES: tuple[tuple[NoteKind, str, str | None], ...] = (
    ("manual", "Needs your hand", "yellow"),
    ("changed", "Changed meaning", "cyan"),
    ("converted", "Converted", "green"),
)


@click.command(
    help="Convert a docker-compose file, and say what became of each of its keys.\n\n"
    "Without -o the new file goes to the standard output and the account to the standard error. What is built from a "
    "Dockerfile becomes an image that is prepared, named volumes become folders beside the new file, names of services in "
    "addresses become 127.0.0.1. The result is checked as `hpcc validate` would."
)
@click.argument("source", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="PATH", type=click.Path(path_type=Path), help="Write the new file there.")
@click.option("--force", is_flag=True, help="Replace the file of --output.")
@click.option(
    "--without-containers",
    is_flag=True,
    help="Run the programs of the machine itself: images are left out, mounted folders named by their real place.",
)
@options.common
def migrate(tools: Tools, source: Path | None, output: Path | None, force: bool, without_containers: bool) -> int:
    """Read → convert → write → check."""
    from compose_core.migrate import migrate_file

    file = source or _found()
    folder = Path(os.path.abspath(output)).parent if output is not None else Path(os.path.abspath(file)).parent  # noqa: PTH100 - links stay
    if output is not None and os.path.lexists(output) and not force:
        raise UsageError(f"{output} is there already", remedy="Use another name, or --force to replace it.")
    made = migrate_file(file, shown=str(file), to=folder, has_containers=not without_containers)
    text = made.text()
    problems = _problems(tools, text, output or folder / "compose.yaml", folder)
    if output is not None:
        _write(output, text, folder, made.folders)
    _report(tools, made, text, problems, output)
    return int(ExitCode.USAGE if any(problem.severity == "error" for problem in problems) else ExitCode.OK)


def _found() -> Path:
    for name in _NAMES:
        if Path(name).is_file():
            return Path(name)
    raise UsageError(f"none of {', '.join(_NAMES)} is here", remedy="Name the file.")


def _problems(tools: Tools, text: str, path: Path, folder: Path) -> tuple[Problem, ...]:
    """What `validate` says of the new file."""
    from compose_core.spec import load_spec

    try:
        return tuple(load_spec(path, variables=tools.site.environment, project_dir=folder, text=text).warnings)
    except SpecError as error:
        return tuple(error.problems)


def _write(output: Path, text: str, folder: Path, folders: tuple[str, ...]) -> None:
    from compose_core.records.atomic import replace_file
    from compose_core.records.our_path import OurPath

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in folders:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}", remedy="Use another folder.") from error
    replace_file(OurPath(folder) / output.name, text.encode())


def _report(tools: Tools, made: Migration, text: str, problems: tuple[Problem, ...], output: Path | None) -> None:
    is_valid = not any(problem.severity == "error" for problem in problems)
    if tools.output.is_json:
        tools.output.json(
            {
                "schema_version": 1,
                "source": made.source,
                "output": str(output) if output is not None else None,
                "valid": is_valid,
                "problems": problem_json(problems),
                "notes": [note.as_json() for note in made.notes],
                "folders": list(made.folders),
                "yaml": text,
            }
        )
        return
    if output is None:
        tools.output.data(text, newline=False)
    _account(tools, made)
    tools.output.warn(problems)
    services: Any = made.spec["services"]
    if output is not None and is_valid:
        tools.output.talk(
            f"\n{output}: {counted(len(services), 'service')}, valid; look at it with `hpcc plan -f {output}`"
        )


def _account(tools: Tools, made: Migration) -> None:
    from compose_core.migrate.notes import of_kind

    for kind, title, colour in _TITLES:
        notes = of_kind(made.notes, kind)
        if notes:
            tools.output.talk(click.style(f"{title} ({len(notes)})", fg=colour, bold=True))
        for note in notes:
            tools.output.talk(f"  {note.file}:{note.line}: {note.key_path}: {note.message}")
