"""`build:` becomes an image that exists, what its Dockerfile runs a preparation, and what it copies a mount."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.migrate.dockerfile import Copy, Recipe, read_recipe
from compose_core.migrate.nodes import map_of, pairs_of, text_of
from compose_core.migrate.notes import Notes
from compose_core.spec.nodes import KeyPath, MapNode, Mark, Node
from compose_core.spec.source_file import SourceFileError, read_source

_MOST_BYTES = 256 * 1024
_PLACEHOLDER = "docker://registry.example.com/replace-me:latest"


@dataclass
class Build:
    """What a service gets from its `build:`."""

    image: str
    prepare: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    recipe: Recipe = field(default_factory=Recipe)


def build_of(node: Node, image: str | None, path: KeyPath, folder: Path, shown: Path, notes: Notes, to: Path) -> Build:
    """The proposal for a service's `build:`; `folder` is that of the Docker file, `to` that of the new one."""
    context_text, dockerfile_text, arguments, inline = _read(node)
    context = Path(os.path.normpath(folder / context_text))
    if inline is not None:
        text, file = inline, node.mark.file
    else:
        file = str(Path(os.path.normpath(shown / context_text)) / dockerfile_text)
        text = _dockerfile(context / dockerfile_text, file, node, path, notes)
    recipe = read_recipe(text, file, path, notes, arguments=arguments)
    if isinstance(node, MapNode) and text_of(node.items.get("target")):
        notes.manual(
            node.items["target"].mark, (*path, "target"), "the last stage is proposed, whichever is the target"
        )
    if recipe.image is None and text:
        notes.manual(node.mark, path, "no image to start from was found; name one")
    elif recipe.image is not None:
        notes.changed(node.mark, path, f"nothing is built: {recipe.image} is customised once by x-runtime.prepare")
    found = Build(image=recipe.image or image or _PLACEHOLDER, environment=dict(recipe.environment), recipe=recipe)
    mounts = _mounts(recipe, context, found, file, path, notes, to)
    if recipe.runs:
        found.prepare["commands"] = recipe.commands
        if mounts:
            found.prepare["mounts"] = mounts
        if environment := {**recipe.arguments, **recipe.environment}:
            found.prepare["env"] = {name: value.replace("$", "$$") for name, value in environment.items()}
    return found


def relative(path: Path, to: Path) -> str:
    """A host path as the new file names it."""
    text = os.path.relpath(path, to)
    return text if text.startswith("..") else f"./{text}" if text != "." else "."


def _read(node: Node) -> tuple[str, str, Mapping[str, str], str | None]:
    build = map_of(node)
    if build is None:
        return text_of(node) or ".", "Dockerfile", {}, None
    arguments = {name: value for name, value, _ in pairs_of(build.items.get("args")) if value is not None}
    context = text_of(build.items.get("context")) or "."
    inline = text_of(build.items.get("dockerfile_inline"))
    return context, text_of(build.items.get("dockerfile")) or "Dockerfile", arguments, inline


def _dockerfile(path: Path, file: str, node: Node, key: KeyPath, notes: Notes) -> str:
    try:
        data = read_source(path, limit=_MOST_BYTES)
    except SourceFileError as error:
        notes.manual(node.mark, key, f"the Dockerfile {file} {error}: name an image, and prepare it")
        return ""
    return data[:_MOST_BYTES].decode(errors="replace")


def _mounts(recipe: Recipe, context: Path, found: Build, file: str, path: KeyPath, notes: Notes, to: Path) -> list[str]:
    """The mounts while the image is prepared; those of the service are put into `found`."""
    while_preparing: dict[str, str] = {}
    for copy in recipe.copies:
        source = Path(os.path.normpath(context / copy.source.lstrip("/")))
        target = _target(copy, source)
        mark = Mark(file, copy.line, 1)
        if target == "/" or not source.is_relative_to(context):
            notes.manual(mark, path, f"COPY {copy.source} is left out: it cannot be a mount")
            continue
        if not source.exists():
            notes.manual(mark, path, f"COPY {copy.source}: there is no such file beside the Dockerfile now")
        mount = f"{relative(source, to)}:{target}"
        if copy.commands_before < len(recipe.commands):
            while_preparing[target] = f"{mount}:ro"
        found.volumes = [one for one in found.volumes if not one.split(":")[1].startswith(f"{target}/")]
        found.volumes.append(mount)
        notes.changed(mark, path, f"COPY {copy.source} became the mount {mount}: the files themselves, not a copy")
    return list(while_preparing.values())


def _target(copy: Copy, source: Path) -> str:
    """A folder's content goes to the target itself, a file goes into a target that is a folder."""
    folder, is_folder, name = copy.target.partition("/?")
    if not is_folder:
        return copy.target
    return (folder or "/") if source.is_dir() else f"{folder}/{name}"
