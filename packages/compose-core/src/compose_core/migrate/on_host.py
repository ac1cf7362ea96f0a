"""Services without containers: what they mount is named by its place on this machine, and their images are left out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compose_core.migrate.notes import Notes
from compose_core.migrate.service import Converted
from compose_core.migrate.volumes import mount_parts

_PLAIN = re.compile(r"(?:[\w./@%+=:,-]|\$\{\w+\})+")
"""A path that a shell reads as one word."""


def to_host(one: Converted, folder: Path, notes: Notes) -> None:
    """Change the service into one of `runtime: {backend: host}`; `folder` is that of the new file."""
    mounts = _mounts(one.spec.pop("volumes", ()), folder)
    moved = _mover(mounts)
    for key in ("command", "entrypoint", "environment"):
        if key in one.spec:
            one.spec[key] = _everywhere(one.spec[key], moved)
    for target, source in mounts.items():
        if _PLAIN.fullmatch(source):
            notes.changed(one.node.mark, (*one.path, "volumes"), f"{target} became {source}, also in commands")
        else:
            notes.manual(one.node.mark, (*one.path, "volumes"), f"check the quotes where {source} stands in a command")
    _image(one, notes)
    _working_dir(one, moved, notes)


def _mounts(volumes: list[str] | tuple[()], folder: Path) -> dict[str, str]:
    """Place in the container to place on this machine; a variable in it stays one."""
    found = {}
    for text in volumes:
        source, target, _ = mount_parts(text)
        if "$" not in source:
            source = os.path.normpath(folder / Path(source).expanduser()).replace("$", "$$")
        if target.strip("/"):
            found[target.rstrip("/")] = source
    return found


def _mover(mounts: dict[str, str]) -> Callable[[str], str]:
    """Replaces each path below a mount, as a whole and not in the middle of another one."""
    if not mounts:
        return lambda text: text
    targets = "|".join(re.escape(target) for target in sorted(mounts, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w./-])({targets})(?![\w.-])")
    return lambda text: pattern.sub(lambda match: mounts[match[1]], text)


def _everywhere(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [change(item) for item in value]
    return {name: change(text) for name, text in value.items()}


def _image(one: Converted, notes: Notes) -> None:
    image = one.spec.pop("image", "")
    prepare = one.spec.pop("x-runtime", {}).get("prepare")
    if not {"command", "entrypoint"} & set(one.spec):
        notes.manual(one.node.mark, one.path, f"give it a command: what {image} runs by itself is not known here")
        return
    notes.changed(one.node.mark, (*one.path, "image"), f"{image} is not used: its programs have to be on this machine")
    if prepare:
        notes.manual(one.node.mark, (*one.path, "build"), "install on this machine what its Dockerfile installs")


def _working_dir(one: Converted, moved: Callable[[str], str], notes: Notes) -> None:
    inside = one.spec.get("working_dir")
    if inside is None:
        return
    one.spec["working_dir"] = moved(inside)
    if one.spec["working_dir"] == inside:
        del one.spec["working_dir"]
        message = f"{inside} lies in the image: it starts in the folder of the compose file"
        notes.manual(one.node.mark, (*one.path, "working_dir"), message)
