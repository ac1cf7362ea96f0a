"""Pass 2: `extends` of a file or a service is merged in, and `steps` becomes `services`; every value keeps the place it came from.

Mappings merge key by key, lists are appended to those of the base, volumes replace each other by their container path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from compose_core.spec.findings import Findings
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
    shortened,
    with_item,
    without,
)
from compose_core.spec.source_file import SourceFileError, read_source
from compose_core.spec.yaml_tree import MAX_BYTES, read_yaml

MAX_FILES = 32
MAX_CHAIN = 32

_REPLACED = (
    ("services", "*", "command"),
    ("services", "*", "entrypoint"),
    ("services", "*", "healthcheck"),
    ("x-slurm", "metrics", "collectors"),
    ("sweep",),
)
"""Below these keys a list of the base is replaced: appended, it would mean something else."""

_EXCLUSIVE = ((("script",), ("command", "entrypoint")), (("readiness",), ("healthcheck",)))
"""Keys of a service that rule each other out: what a service writes itself drops what it would inherit on the other side."""


class SourceTree:
    """Reads a compose file with all that it extends."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._real_paths: dict[Path, Path] = {}
        self._open_files: list[Path] = []
        self._services_open: list[tuple[Path, str]] = []
        self._read_files: dict[Path, MapNode | None] = {}
        self.files: list[Path] = []
        """Every file read, the compose file first."""

    def read(self, path: Path, shown: str) -> MapNode | None:
        """The merged tree of the file; None when nothing of it can be used."""
        try:
            data = read_source(path, limit=MAX_BYTES)
        except SourceFileError as error:
            remedy = (
                "Name the file with -f, or start one with a line `services:`; examples/quickstart is a whole one."
                if not self.files
                else "Correct the path in `extends`."
            )
            self._findings.error("file-not-found", f"the file {error}", Mark(shown, 0, 0), remedy=remedy)
            return None
        return self._read_data(data, path, shown)

    def read_text(self, text: str, path: Path, shown: str) -> MapNode | None:
        """The same of a text that would be the content of the file."""
        return self._read_data(text.encode(errors="surrogatepass"), path, shown)

    def _read_data(self, data: bytes, path: Path, shown: str) -> MapNode | None:
        self.files.append(path)
        root = read_yaml(data, shown, self._findings)
        if root is None:
            return None
        root = self._steps_as_services(root)
        self._open_files.append(self._real(path))
        try:
            root = self._extend_file(root, path, shown)
            return self._extend_services(root, path)
        finally:
            self._open_files.pop()

    def _steps_as_services(self, root: MapNode) -> MapNode:
        if "steps" not in root.items:
            return root
        mark = root.key_mark("steps")
        if "services" in root.items:
            message = "`steps` is another word for `services`; both are given"
            self._findings.error("steps-and-services", message, mark, ("steps",), "Move the steps under `services:`.")
            return without(root, "steps")
        items = {"services" if key == "steps" else key: value for key, value in root.items.items()}
        return MapNode(items, root.mark, {**root.key_marks, "services": mark})

    def _real(self, path: Path) -> Path:
        """The path without links, looked up once."""
        if path not in self._real_paths:
            self._real_paths[path] = Path(os.path.realpath(path))
        return self._real_paths[path]

    # ---- files

    def _extend_file(self, root: MapNode, path: Path, shown: str) -> MapNode:
        reference = root.items.get("extends")
        if reference is None:
            return root
        root = without(root, "extends")
        file = self._file_reference(reference)
        base = self._base_file(file, ("extends",), path, shown) if file else None
        if base is None:
            return root if "services" in root.items else with_item(root, "services", BrokenNode(reference.mark))
        return merged(base, root, (), self._findings)

    def _file_reference(self, node: Node) -> ScalarNode | None:
        if isinstance(node, MapNode) and set(node.items) == {"file"}:
            node = node.items["file"]
        if isinstance(node, ScalarNode) and node.text:
            return node
        if not isinstance(node, BrokenNode):
            message = f"a path is expected; {found(node)} was found"
            self._findings.error("type", message, node.mark, ("extends",), "Write `extends: base.yaml`.")
        return None

    def _base_file(self, reference: ScalarNode, key: KeyPath, path: Path, shown: str) -> MapNode | None:
        target, shown_target = self._target(reference, path, shown)
        if self._real(target) in self._open_files:
            chain = " → ".join([file.name for file in self._open_files] + [target.name])
            self._findings.error(
                "extends-cycle",
                f"the files extend each other in a circle: {chain}",
                reference.mark,
                key,
                "Break the circle.",
            )
            return None
        if self._real(target) in self._read_files:
            return self._read_files[self._real(target)]
        if len(self.files) >= MAX_FILES:
            message = f"more than {MAX_FILES} files are read through `extends`"
            self._findings.error("extends-too-many", message, reference.mark, key, "Merge some of them.")
            return None
        try:
            data = read_source(target, limit=MAX_BYTES)
        except SourceFileError as error:
            message = f"the file {shortened(reference.text, 200)} {error}"
            remedy = "Paths are relative to the file that names them, and variables are not filled in here."
            self._findings.error("extends-file", message, reference.mark, key, remedy)
            return None
        root = self._read_data(data, target, shown_target)
        self._read_files[self._real(target)] = root
        return root

    @staticmethod
    def _target(reference: ScalarNode, path: Path, shown: str) -> tuple[Path, str]:
        shown_target = os.path.normpath(Path(shown).parent / reference.text)
        return Path(os.path.normpath(path.parent / reference.text)), shown_target

    # ---- services

    def _extend_services(self, root: MapNode, path: Path) -> MapNode:
        services = root.items.get("services")
        if not isinstance(services, MapNode):
            return root
        items = dict(services.items)
        root = with_item(root, "services", MapNode(items, services.mark, services.key_marks))
        for name in services.items:
            items[name] = self._extended_service(name, root, path)
        return root

    def _extended_service(self, name: str, root: MapNode, path: Path) -> Node:
        """The service with everything it extends; what could not be found leaves a broken `extends` behind."""
        services = root.items["services"]
        assert isinstance(services, MapNode)
        service = services.items[name]
        reference = service.items.get("extends") if isinstance(service, MapNode) else None
        if not isinstance(service, MapNode) or reference is None or isinstance(reference, BrokenNode):
            return service
        key: KeyPath = ("services", name, "extends")
        own = without(service, "extends")
        here = (self._real(path), name)
        if here in self._services_open or len(self._services_open) >= MAX_CHAIN:
            self._report_chain(name, reference.mark, key, circle=here in self._services_open)
            return with_item(own, "extends", BrokenNode(reference.mark))
        self._services_open.append(here)
        try:
            base = self._base_service(reference, key, root, path)
        finally:
            self._services_open.pop()
        if not isinstance(base, MapNode):
            return with_item(own, "extends", BrokenNode(reference.mark))
        return merged(base, own, ("services", name), self._findings)

    def _report_chain(self, name: str, mark: Mark, key: KeyPath, *, circle: bool) -> None:
        if circle:
            chain = " → ".join([other for _, other in self._services_open] + [name])
            message = f"the services extend each other in a circle: {chain}"
            self._findings.error("extends-cycle", message, mark, key, "Break the circle.")
        else:
            message = f"more than {MAX_CHAIN} services extend one another"
            self._findings.error("extends-too-many", message, mark, key, "Merge some of them.")

    def _base_service(self, reference: Node, key: KeyPath, root: MapNode, path: Path) -> Node | None:
        parts = _service_reference(reference)
        if parts is None:
            if not isinstance(reference, BrokenNode):
                message = f"a service's name or `file:` with `service:` is expected; {found(reference)} was found"
                remedy = "Write `extends: other`, or `extends: {file: base.yaml, service: other}`."
                self._findings.error("type", message, reference.mark, key, remedy)
            return None
        file, service = parts
        if file is not None:
            target, _ = self._target(file, path, file.mark.file)
            base_root = self._base_file(file, key, path, file.mark.file)
            if base_root is None:
                return None
            root, path = base_root, target
        services = root.items.get("services")
        if not isinstance(services, MapNode) or service.text not in services.items:
            where = f" in {shortened(file.text, 200)}" if file else ""
            message = f"there is no service {shortened(service.text)}{where}"
            names = ", ".join(list(services.items)[:10]) if isinstance(services, MapNode) else "none"
            self._findings.error("extends-service", message, service.mark, key, f"Services there: {names}.")
            return None
        return self._extended_service(service.text, root, path)


def merged(base: MapNode, own: MapNode, path: KeyPath, findings: Findings) -> MapNode:
    """`own` over `base`."""
    base = _without_ruled_out(base, own, path)
    items: dict[str, Node] = dict(base.items)
    marks = {**base.key_marks, **own.key_marks}
    for key, value in own.items.items():
        items[key] = _merged_value(items[key], value, (*path, key), findings) if key in items else value
    return MapNode(items, own.mark, marks)


def _without_ruled_out(base: MapNode, own: MapNode, path: KeyPath) -> MapNode:
    if len(path) != 2 or path[0] != "services":
        return base
    for one, other in _EXCLUSIVE:
        for written, dropped in ((one, other), (other, one)):
            if any(key in own.items for key in written):
                base = without(base, *dropped)
    return base


def _merged_value(base: Node, own: Node, path: KeyPath, findings: Findings) -> Node:
    if any(_matches(path, pattern) for pattern in _REPLACED) or _other_readiness(base, own, path):
        return own
    normalise = _NORMAL_FORMS.get(path[-1] if len(path) in (3, 5) else "")
    if normalise:
        base, own = normalise(base, path, findings), normalise(own, path, findings)
    if isinstance(base, MapNode) and isinstance(own, MapNode):
        return merged(base, own, path, findings)
    if isinstance(base, ListNode) and isinstance(own, ListNode):
        return ListNode(_appended(base, own, path), own.mark)
    return own


def _other_readiness(base: Node, own: Node, path: KeyPath) -> bool:
    """A readiness of another type shares no field with the inherited one."""
    if len(path) != 3 or path[2] != "readiness" or not (isinstance(base, MapNode) and isinstance(own, MapNode)):
        return False
    types = [node.items.get("type") for node in (base, own)]
    texts = [node.text if isinstance(node, ScalarNode) else None for node in types]
    return texts[1] is not None and texts[0] != texts[1]


def _service_reference(node: Node) -> tuple[ScalarNode | None, ScalarNode] | None:
    """The file (None: this one) and the service that `extends` names; None when it has another shape."""
    if isinstance(node, ScalarNode) and node.text:
        return None, node
    if isinstance(node, MapNode) and "service" in node.items and set(node.items) <= {"file", "service"}:
        file, service = node.items.get("file"), node.items["service"]
        if isinstance(service, ScalarNode) and (file is None or isinstance(file, ScalarNode)):
            return file, service
    return None


def _as_list(node: Node, _path: KeyPath, _findings: Findings) -> Node:
    return as_list(node)


_NORMAL_FORMS: dict[str | int, Callable[[Node, KeyPath, Findings], Node]] = {
    "environment": pairs_to_map,
    "env": pairs_to_map,
    "depends_on": names_to_map,
    "env_file": _as_list,
}


def _appended(base: ListNode, own: ListNode, path: KeyPath) -> tuple[Node, ...]:
    if path[-1] not in ("volumes", "mounts"):
        return (*base.items, *own.items)
    targets = {_volume_target(item) for item in own.items}
    return (*(item for item in base.items if _volume_target(item) not in targets), *own.items)


def _volume_target(node: Node) -> str | None:
    if isinstance(node, MapNode):
        target = node.items.get("target")
        return target.text.rstrip("/") if isinstance(target, ScalarNode) else None
    parts = node.text.split(":") if isinstance(node, ScalarNode) and not is_null(node) else []
    return parts[1].rstrip("/") if len(parts) > 1 else None


def _matches(path: KeyPath, pattern: tuple[str, ...]) -> bool:
    return len(path) >= len(pattern) and all(want in ("*", part) for part, want in zip(path, pattern))
