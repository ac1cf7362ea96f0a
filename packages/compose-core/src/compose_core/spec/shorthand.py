"""Pass 5: every short form becomes the one canonical shape, and `env_file`s are read; places in the text are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from compose_core.spec.findings import Findings
from compose_core.spec.healthcheck import readiness_of
from compose_core.spec.listed import as_list, names_to_map, pairs_to_map
from compose_core.spec.nodes import (
    BrokenNode,
    KeyPath,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    found,
    is_null,
    node_at,
    shortened,
    with_item,
    without,
)
from compose_core.spec.source_file import SourceFileError, read_source
from compose_core.spec.variables import MAX_DOTENV, read_entries

_SIGNAL = re.compile(r"(?P<shell>B:)?(?:SIG)?(?P<name>[A-Za-z0-9]+)@(?P<seconds>[0-9]+)")


class Shorthand:
    """Rewrites a tree whose keys are all known."""

    def __init__(self, source: Path, shown: str, home: str, findings: Findings, *, folder: Path) -> None:
        self._folder = folder
        self._source_folder = source.parent
        self._home = home
        self._shown_folder = Path(shown).parent
        self._findings = findings
        self._backend = ""
        self._entries: dict[Path, dict[str, str]] = {}
        self.files: list[Path] = []
        """Every `env_file` that was read."""

    def expand(self, root: MapNode) -> MapNode:
        """The tree in canonical shapes."""
        self._backend = _text_at(root, "runtime", "backend")
        root = self._apply(root, (), {"services": self._services, "x-slurm": self._job})
        return root

    def _apply(self, node: MapNode, path: KeyPath, table: dict[str, Callable[[Node, KeyPath], Node]]) -> MapNode:
        """The mapping with a function applied to the value of each key in the table."""
        changed = {
            key: table[key](value, (*path, key))
            for key, value in node.items.items()
            if key in table and not is_null(value)
        }
        return MapNode({**node.items, **changed}, node.mark, node.key_marks)

    # ---- services

    def _services(self, node: Node, path: KeyPath) -> Node:
        if not isinstance(node, MapNode):
            return node
        services = {name: self._service(value, (*path, name)) for name, value in node.items.items()}
        return MapNode(services, node.mark, node.key_marks)

    def _service(self, node: Node, path: KeyPath) -> Node:
        if not isinstance(node, MapNode):
            return node
        node = self._apply(
            node,
            path,
            {
                "image": self._image,
                "environment": self._pairs,
                "env_file": lambda value, _: as_list(value),
                "volumes": self._volumes,
                "depends_on": lambda value, at: names_to_map(value, at, self._findings),
                "x-slurm": self._service_slurm,
            },
        )
        return self._prepare(self._readiness(self._environment(node, path), path), path)

    def _pairs(self, node: Node, path: KeyPath) -> Node:
        return pairs_to_map(node, path, self._findings)

    def _image(self, node: Node, _path: KeyPath) -> Node:
        """A local image that an extended file in another folder names is looked for there."""
        if (
            isinstance(node, ScalarNode)
            and "://" not in node.text
            and node.text.endswith((".sqsh", ".squashfs", ".sif"))
        ):
            return self._rebased(node, node.text, lambda text: text)
        return node

    def _service_slurm(self, node: Node, path: KeyPath) -> Node:
        if not isinstance(node, MapNode):
            return node
        return self._apply(node, path, {"prologue": _as_script, "epilogue": _as_script})

    def _environment(self, service: MapNode, path: KeyPath) -> MapNode:
        """The service with the variables of its env_files below its own; the files' values are literal."""
        listed = service.items.get("env_file")
        if not isinstance(listed, ListNode):
            return service
        own = service.items.get("environment", MapNode({}, listed.mark))
        if not isinstance(own, MapNode):
            own = MapNode({}, listed.mark)
        items: dict[str, Node] = {}
        paths: list[Node] = []
        for position, item in enumerate(listed.items):
            file, entries = self._env_file(item, (*path, "env_file", position))
            paths.append(file)
            items |= {name: ScalarNode(value, item.mark) for name, value in entries.items()}
        marks = {**{name: node.mark for name, node in items.items()}, **own.key_marks}
        service = with_item(service, "env_file", ListNode(tuple(paths), listed.mark))
        return with_item(service, "environment", MapNode({**items, **own.items}, own.mark, marks))

    def _env_file(self, node: Node, path: KeyPath) -> tuple[Node, dict[str, str]]:
        if not isinstance(node, ScalarNode) or is_null(node) or not node.text:
            return node, {}
        text = self._home + node.text[1:] if node.text.startswith("~/") and self._home else node.text
        file = self._beside(node.mark, text)
        shown = os.path.normpath(Path(node.mark.file).parent / node.text)
        if file in self._entries:
            return ScalarNode(str(file), node.mark), self._entries[file]
        try:
            data = read_source(file, limit=MAX_DOTENV)
        except SourceFileError as error:
            message = f"the env_file {shortened(node.text, 200)} {error} on the submit host"
            remedy = "Correct the path; it is relative to the file that names it."
            return self._findings.error("env-file", message, node.mark, path, remedy), {}
        self.files.append(file)
        self._entries[file] = read_entries(data, shown, self._findings)
        return ScalarNode(str(file), node.mark), self._entries[file]

    # ---- paths

    def _beside(self, mark: Mark, text: str) -> Path:
        """A path relative to the file that it is written in."""
        shown = Path(mark.file).parent
        if shown == self._shown_folder:
            return Path(os.path.normpath(self._folder / text))
        return Path(os.path.normpath(self._source_folder / os.path.relpath(shown, self._shown_folder) / text))

    def _rebased(self, node: ScalarNode, path: str, rebuild: Callable[[str], str]) -> ScalarNode:
        """A relative path of an extended file in another folder becomes absolute; any other node stays."""
        if Path(node.mark.file).parent == self._shown_folder or path.startswith(("/", "~", "@", "$")) or not path:
            return node
        return ScalarNode(rebuild(str(self._beside(node.mark, path))), node.mark, node.plain, node.interpolated)

    # ---- volumes

    def _volumes(self, node: Node, path: KeyPath) -> Node:
        if not isinstance(node, ListNode):
            return node
        return ListNode(tuple(self._volume(item, (*path, at)) for at, item in enumerate(node.items)), node.mark)

    def _volume(self, node: Node, path: KeyPath) -> Node:
        if isinstance(node, MapNode):
            return self._long_volume(node, path)
        if not isinstance(node, ScalarNode) or is_null(node):
            return node
        parts = node.text.split(":")
        if len(parts) not in (2, 3) or not parts[1]:
            message = f"host_path:container_path[:ro|rw] is expected; {found(node)} was found"
            return self._findings.error(
                "volume-syntax", message, node.mark, path, "Write ./data:/data or ./data:/data:ro."
            )
        if not parts[0]:
            return self._findings.error(
                "volume-source", f"the host path of {found(node)} is empty", node.mark, path, "Write ./data:/data."
            )
        mode = parts[2] if len(parts) == 3 else "rw"
        if mode not in ("ro", "rw"):
            message = f"the mode of a volume is ro or rw; {shortened(mode)} was found"
            return self._findings.error("volume-mode", message, node.mark, path, "Write :ro, or leave it out.")
        source = self._rebased(ScalarNode(parts[0], node.mark), parts[0], lambda text: text)
        items: dict[str, Node] = {"source": source, "target": ScalarNode(parts[1], node.mark)}
        if mode == "ro":
            items["read_only"] = ScalarNode("true", node.mark, plain=True)
        return MapNode(items, node.mark)

    def _long_volume(self, node: MapNode, path: KeyPath) -> Node:
        kind = node.items.get("type")
        if isinstance(kind, ScalarNode) and kind.text != "bind":
            message = f"only bind mounts exist; {shortened(kind.text)} was found"
            return self._findings.error(
                "volume-type", message, kind.mark, (*path, "type"), "Mount a host folder: `type: bind`."
            )
        source = node.items.get("source")
        if isinstance(source, ScalarNode):
            node = with_item(node, "source", self._rebased(source, source.text, lambda text: text))
        return without(node, "type")

    # ---- readiness and prepare

    def _readiness(self, service: MapNode, path: KeyPath) -> MapNode:
        check = service.items.get("healthcheck")
        if check is None or is_null(check):
            return without(service, "healthcheck")
        if "readiness" in service.items:
            message = "`healthcheck` and `readiness` say the same; both are given"
            remedy = "Keep `readiness`."
            self._findings.error(
                "readiness-twice", message, service.key_mark("healthcheck"), (*path, "healthcheck"), remedy
            )
            return without(service, "healthcheck")
        readiness = readiness_of(check, (*path, "healthcheck"), self._findings)
        service = without(service, "healthcheck")
        if readiness is None:
            return service
        marks = {**service.key_marks, "readiness": check.mark}
        return MapNode({**service.items, "readiness": readiness}, service.mark, marks)

    def _prepare(self, service: MapNode, path: KeyPath) -> MapNode:
        found_at: list[tuple[str, Node, Mark]] = []
        for key in ("x-runtime", "x-enroot"):
            options = service.items.get(key)
            if isinstance(options, MapNode) and "prepare" in options.items:
                found_at.append((key, options.items["prepare"], options.key_mark("prepare")))
            elif options is not None and not isinstance(options, MapNode | BrokenNode) and not is_null(options):
                message = f"a mapping with `prepare` is expected; {found(options)} was found"
                self._findings.error("type", message, options.mark, (*path, key), "Write `prepare:` below it.")
        service = without(service, "x-runtime", "x-enroot")
        if not found_at:
            return service
        if len(found_at) == 2:
            message = "`x-runtime.prepare` and `x-enroot.prepare` say the same; both are given"
            self._findings.error(
                "prepare-twice", message, found_at[1][2], (*path, "x-enroot", "prepare"), "Keep `x-runtime`."
            )
        key, prepare, mark = found_at[0]
        if key == "x-enroot" and self._backend == "apptainer":
            message = "`x-enroot` does not apply to `runtime: {backend: apptainer}`"
            self._findings.error("prepare-backend", message, mark, (*path, key), "Write `x-runtime` instead.")
        if isinstance(prepare, MapNode):
            prepare = self._apply(prepare, (*path, key, "prepare"), {"mounts": self._volumes, "env": self._pairs})
        return MapNode({**service.items, "prepare": prepare}, service.mark, {**service.key_marks, "prepare": mark})

    # ---- the job

    def _job(self, node: Node, path: KeyPath) -> Node:
        if not isinstance(node, MapNode):
            return node
        return self._apply(
            node,
            path,
            {
                "setup": lambda value, _: as_list(value),
                "after_job": _as_after_jobs,
                "signal": self._signal,
                "notify": lambda value, _: _wrapped(value, "email"),
            },
        )

    def _signal(self, node: Node, path: KeyPath) -> Node:
        if isinstance(node, MapNode):
            return self._plain_signal(node)
        if not isinstance(node, ScalarNode):
            return node
        match = _SIGNAL.fullmatch(node.text)
        if not match:
            message = f"[B:]NAME@SECONDS or a mapping is expected; {found(node)} was found"
            return self._findings.error(
                "signal", message, node.mark, path, "Write USR1@120, or {name: USR1, at_seconds: 120}."
            )
        items: dict[str, Node] = {
            "name": ScalarNode(match["name"].upper(), node.mark),
            "at_seconds": ScalarNode(match["seconds"], node.mark, plain=True),
        }
        if match["shell"]:
            items["shell"] = ScalarNode("true", node.mark, plain=True)
        return MapNode(items, node.mark)

    @staticmethod
    def _plain_signal(node: MapNode) -> MapNode:
        name = node.items.get("name")
        if isinstance(name, ScalarNode):
            return with_item(node, "name", ScalarNode(name.text.upper().removeprefix("SIG"), name.mark))
        return node


def _text_at(root: MapNode, *path: str) -> str:
    node = node_at(root, path)
    return node.text if isinstance(node, ScalarNode) else ""


def _as_script(node: Node, _path: KeyPath) -> Node:
    return _wrapped(node, "script")


def _wrapped(node: Node, key: str) -> Node:
    """A single value as a mapping with that one key."""
    return MapNode({key: node}, node.mark, {key: node.mark}) if isinstance(node, ScalarNode) else node


def _as_after_jobs(node: Node, _path: KeyPath) -> Node:
    items: Iterable[Node] = node.items if isinstance(node, ListNode) else (node,)
    return ListNode(tuple(_wrapped(item, "job") for item in items), node.mark)
