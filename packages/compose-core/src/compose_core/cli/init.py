"""`hpcc init`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from compose_core.starters import Starter


@click.command(
    help="Begin a compose file from one of the examples.\n\n"
    "On a terminal, without --template, it asks. The files that the example needs are copied beside the new file."
)
@click.option("--template", metavar="NAME", help="The example to begin from; --list names all.")
@click.option("--name", metavar="NAME", help="The name of the job, instead of the example's.")
@click.option("--cache-dir", metavar="PATH", help="Where images are kept: a folder that the nodes share.")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default=Path("compose.yaml"),
    show_default=True,
    help="The new file.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--list", "lists", is_flag=True, help="Name the examples.")
@click.option("--describe", metavar="NAME", help="Say what an example shows, and when to begin from it.")
@options.common
def init(
    tools: Tools,
    template: str | None,
    name: str | None,
    cache_dir: str | None,
    output: Path,
    force: bool,
    lists: bool,
    describe: str | None,
) -> int:
    """List, describe, or copy."""
    from compose_core.starters import starters

    known = {starter.name: starter for starter in starters()}
    if not known:
        raise UsageError(
            "this installation has no examples", remedy="Install compose-core from its wheel or repository."
        )
    if lists:
        return _list(tools, known)
    if describe is not None:
        return _describe(tools, _named(describe, known))
    if template is None:
        if not force:
            _refuse_to_replace(Path(), [str(output)])  # before anybody answers questions
        template, name, cache_dir = _asked(tools, known, name, cache_dir)
    return _copy(tools, _named(template, known), name=name, cache_dir=cache_dir, output=output, force=force)


def _list(tools: Tools, known: dict[str, Starter]) -> int:
    if tools.output.is_json:
        rows = [{"name": one.name, "title": one.title, "description": one.description} for one in known.values()]
        tools.output.json({"schema_version": 1, "templates": rows})
    else:
        tools.output.table(["NAME", "WHAT IT IS"], [[one.name, one.title] for one in known.values()])
    return int(ExitCode.OK)


def _describe(tools: Tools, one: Starter) -> int:
    files = [path for path, _ in one.files()]
    if tools.output.is_json:
        row = {"name": one.name, "title": one.title, "description": one.description, "files": files, "yaml": one.text}
        tools.output.json({"schema_version": 1, "templates": [row]})
        return int(ExitCode.OK)
    tools.output.data(f"{one.name}: {one.description}")
    if files:
        tools.output.data(f"\nBeside the compose file: {', '.join(files)}")
    tools.output.data(f"\nBegin from it: hpcc init --template {one.name}")
    return int(ExitCode.OK)


def _named(name: str, known: dict[str, Starter]) -> Starter:
    if name in known:
        return known[name]
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    remedy = f"Did you mean {near[0]}?" if near else "`hpcc init --list` names all."
    raise UsageError(f"there is no example {name}", remedy=remedy, code="template")


def _asked(
    tools: Tools, known: dict[str, Starter], name: str | None, cache_dir: str | None
) -> tuple[str, str | None, str | None]:
    """The answers of a person at a terminal."""
    if tools.output.is_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("no example is named", remedy="Use --template NAME; --list names all.", code="template")
    _list(tools, known)
    template = click.prompt("Begin from", type=click.Choice(list(known)), show_choices=False, default="minimal-batch")
    name = name or click.prompt("Name of the job", default=Path.cwd().name)
    if cache_dir is None:
        asked = click.prompt("Folder for images that the nodes share (empty: ~/.cache/hpc-compose)", default="")
        cache_dir = asked or None
    return template, name, cache_dir


def _copy(tools: Tools, one: Starter, *, name: str | None, cache_dir: str | None, output: Path, force: bool) -> int:
    from compose_core.records.atomic import make_folder, replace_file
    from compose_core.records.our_path import OurPath
    from compose_core.spec import load_spec
    from compose_core.starters import adapted

    target = Path(os.path.abspath(output))  # noqa: PTH100 - links stay
    text = adapted(one.text, name=name, cache_dir=cache_dir)
    files = {target.name: text.encode()} | dict(one.files())
    if not force:
        _refuse_to_replace(target.parent, files)
    load_spec(target, variables=tools.site.environment, project_dir=target.parent, text=text)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{target.parent}: {error.strerror}", remedy="Use another --output.") from error
    folder = OurPath(target.parent)
    for path, data in files.items():
        file = folder
        for part in Path(path).parts[:-1]:
            file = file / part
            make_folder(file)
        replace_file(file / Path(path).name, data)
    _tell(tools, one, output, list(files))
    return int(ExitCode.OK)


def _refuse_to_replace(folder: Path, files: Iterable[str]) -> None:
    there = [path for path in files if os.path.lexists(folder / path)]
    if there:
        names = ", ".join(map(str, there))
        raise UsageError(f"{names}: already there", remedy="Use another --output, or --force to replace.")


def _tell(tools: Tools, one: Starter, output: Path, files: list[str]) -> None:
    if tools.output.is_json:
        report = {"schema_version": 1, "template": one.name, "output": str(output), "files": files}
        tools.output.json(report)
        return
    tools.output.data(f"{output}: begun from {one.name}" + (f", with {', '.join(files[1:])}" if files[1:] else ""))
    tools.output.talk(f"next: hpcc plan -f {output}, then hpcc up -f {output}")
