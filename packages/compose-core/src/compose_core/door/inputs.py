"""Which files beside a compose file it needs, found from its text alone: no variable has to be known here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from compose_core.errors import SpecError
from compose_core.spec.findings import Findings
from compose_core.spec.nodes import ListNode, MapNode, Node, ScalarNode, walk
from compose_core.spec.source_file import SourceFileError, read_source
from compose_core.spec.yaml_tree import MAX_BYTES, read_yaml


def spec_inputs(compose_file: Path) -> tuple[Path, ...]:
    """The compose file, the files that it extends, `.env`, `env_file`, secret files and relative mounts, as far as they exist.

    Folders that are mounted stand for all that is in them. What a variable names is not looked for.

    Raises: SpecError: a compose file cannot be read, or is no YAML.
    """
    found: dict[Path, None] = {}
    waiting = [Path(os.path.abspath(compose_file))]  # noqa: PTH100 - relative paths start from the folder as it is named
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        root = _tree(file)
        waiting += [path for path in _extended(root, file.parent) if path.is_file()]
        for path in _beside(root, file.parent):
            if path.exists():
                found.setdefault(path)
    dotenv = Path(os.path.abspath(compose_file)).parent / ".env"  # noqa: PTH100 - as above
    return (*found, *([dotenv] if dotenv.is_file() and dotenv not in found else []))


def _tree(file: Path) -> MapNode:
    findings = Findings()
    try:
        root = read_yaml(read_source(file, limit=MAX_BYTES), str(file), findings)
    except SourceFileError as error:
        from compose_core.errors import Location, Problem

        problem = Problem(code="file-not-found", message=f"the file {error}", where=Location(file=str(file), line=0))
        raise SpecError([problem]) from error
    findings.raise_errors()
    assert root is not None
    return root


def _extended(root: MapNode, folder: Path) -> Iterator[Path]:
    for _, node in walk(root):
        if not isinstance(node, MapNode) or "extends" not in node.items:
            continue
        base = node.items["extends"]
        file = base.items.get("file") if isinstance(base, MapNode) else base
        if isinstance(file, ScalarNode):
            yield from _relative(file.text, folder)


def _beside(root: MapNode, folder: Path) -> Iterator[Path]:
    for path, node in walk(root):
        key = path[-1] if path else None
        if key == "env_file":
            for text in _texts(node):
                yield from _relative(text, folder)
        elif key in ("volumes", "mounts") and len(path) > 1:
            for text in _texts(node, "source"):
                yield from _relative(text.split(":", 1)[0], folder)
        elif key == "file" and path[0] == "secrets" and isinstance(node, ScalarNode):
            yield from _relative(node.text, folder)


def _texts(node: Node, key: str = "path") -> Iterator[str]:
    """The scalars of a value, of a list, or under `key` of the mappings in it."""
    for item in node.items if isinstance(node, ListNode) else (node,):
        if isinstance(item, MapNode):
            item = item.items.get(key, item)
        if isinstance(item, ScalarNode):
            yield item.text


def _relative(text: str, folder: Path) -> Iterator[Path]:
    if text and not text.startswith(("/", "~")) and "$" not in text and "\0" not in text:
        yield Path(os.path.normpath(folder / text))
