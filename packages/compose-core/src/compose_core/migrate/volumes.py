"""Docker's volumes as mounts of folders of the host."""

from __future__ import annotations

import os
from pathlib import Path

from compose_core.migrate.build import relative
from compose_core.migrate.nodes import child, text_of
from compose_core.migrate.notes import Notes
from compose_core.spec.nodes import KeyPath, MapNode, Node, ScalarNode

NAMED_FOLDER = "volumes"
"""Beside the new file: the folders that take the place of named volumes."""


class Volumes:
    """The named volumes of a file, and how its services mount them."""

    def __init__(self, named: MapNode | None, folder: Path, to: Path, notes: Notes) -> None:
        self._named, self._folder, self._to, self._notes = named, folder, to, notes
        self.folders: dict[str, None] = {}
        """The folders that have to be made."""

    def host_path(self, text: str) -> str:
        """A path of the Docker file as the new file names it."""
        if text.startswith(("/", "~", "$")) or self._folder == self._to:
            return text
        return relative(Path(os.path.normpath(self._folder / text)), self._to)

    def mount(self, node: Node, path: KeyPath) -> str | None:
        """`source:target[:ro]`; None when there is nothing to mount (then that is noted)."""
        if isinstance(node, ScalarNode):
            source, target, options = mount_parts(node.text)
            kind = "bind" if source.startswith((".", "/", "~", "$")) else "volume" if source else "anonymous"
            is_read_only = "ro" in options.split(",")
        else:
            source, target = text_of(child(node, "source")) or "", text_of(child(node, "target")) or ""
            kind = text_of(child(node, "type")) or ("volume" if source else "anonymous")
            is_read_only = text_of(child(node, "read_only")) == "true"
        if not target or kind in {"tmpfs", "npipe", "cluster", "image"}:
            self._notes.manual(node.mark, path, "left out: only folders and files of the host can be mounted")
            return None
        if "docker.sock" in source:
            self._notes.manual(node.mark, path, "left out: there is no Docker on the nodes")
            return None
        if kind == "anonymous" or not source:
            self._notes.changed(node.mark, path, f"{target} is not kept: it lies in the container, and goes with it")
            return None
        shown = self._named_volume(source, node, path) if kind == "volume" else self.host_path(source)
        self._notes.converted(node.mark, path, f"{shown}:{target}") if kind == "bind" else None
        return f"{shown}:{target}{':ro' if is_read_only else ''}"

    def _named_volume(self, name: str, node: Node, path: KeyPath) -> str:
        definition = child(self._named, name)
        device = text_of(child(definition, "driver_opts", "device"))
        if device and device.startswith("/"):
            self._notes.converted(node.mark, path, f"the volume {name} is the folder {device}")
            return device
        if text_of(child(definition, "external")) == "true" or child(definition, "driver_opts") is not None:
            self._notes.manual(
                node.mark, path, f"the volume {name} is made elsewhere: copy its data to ./volumes/{name}"
            )
        folder = f"./{NAMED_FOLDER}/{name}"
        self.folders[folder] = None
        self._notes.changed(node.mark, path, f"the volume {name} became the folder {folder}")
        return folder


def mount_parts(text: str) -> tuple[str, str, str]:
    """Source, target and options of the short form; a colon inside of `${…}` separates nothing."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == ":" and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += character
    parts.append(current)
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], ",".join(parts[2:])
