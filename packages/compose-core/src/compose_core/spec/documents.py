"""YAML files that are no compose files, read with the same care: places, limits, known keys, types, every problem at once.

A program that brings a file format of its own describes it by the kinds of `kinds.py`; parts of a compose file that stand inside of
one are kept as they are written, put together by `tree_of` and `compose_tree`, and checked by `load_spec(tree=…)`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.errors import Location
from compose_core.frozen import Frozen
from compose_core.spec.findings import Findings
from compose_core.spec.inheritance import SourceTree
from compose_core.spec.kinds import INVALID, Either, JsonSchema, Kind, ListOf, MapOf, Section, did_you_mean
from compose_core.spec.nodes import (
    BrokenNode,
    KeyPath,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    found,
    path_text,
    place_of,
    scalar_type,
    shortened,
)
from compose_core.spec.source_file import SourceFileError, read_source
from compose_core.spec.yaml_tree import MAX_BYTES, read_yaml


@dataclass(frozen=True)
class Document:
    """What a file holds."""

    value: Any
    """What the section builds."""
    path: Path
    locate: Callable[[KeyPath], Location] = field(repr=False, compare=False)
    """The place of a key, or of the nearest one above it that is written."""


class Verbatim(Frozen):
    """A mapping that is checked later, by who knows what it means; it is kept with its places."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if isinstance(node, MapNode):
            return node
        if not isinstance(node, BrokenNode):
            message = f"a mapping is expected; {found(node)} was found"
            findings.error("type", message, node.mark, path, "Correct the value.")
        return INVALID

    def schema(self) -> JsonSchema:
        return {"type": "object"}


def read_document(path: Path | str, section: Section) -> Document:
    """The file, checked against the section.

    Raises: SpecError: with every problem of the file.
    """
    findings = Findings()
    root = _root(Path(path), str(path), findings)
    value = section.read(_known(root, section, (), findings), (), findings) if root is not None else INVALID
    findings.raise_errors()
    assert root is not None
    return Document(value, Path(os.path.abspath(path)), lambda key_path: place_of(root, key_path))  # noqa: PTH100 - no link is followed


def compose_tree(path: Path | str) -> MapNode:
    """A compose file with all that it extends, otherwise unchecked; for `load_spec(tree=…)`.

    Raises: SpecError: the file cannot be read.
    """
    findings = Findings()
    root = SourceTree(findings).read(Path(os.path.abspath(path)), str(path))  # noqa: PTH100 - no link is followed
    findings.raise_errors()
    assert root is not None
    return root


def tree_of(value: Any, origin: str) -> Node:
    """Plain data as a part of a tree, literally: a `$` in it is no variable. `origin` takes the place of the file in messages."""
    mark = Mark(origin, 0, 0)
    if isinstance(value, (ScalarNode, ListNode, MapNode, BrokenNode)):
        return value
    if isinstance(value, Mapping):
        return MapNode({str(key): tree_of(item, origin) for key, item in value.items()}, mark)
    if isinstance(value, (list, tuple)):
        return ListNode(tuple(tree_of(item, origin) for item in value), mark)
    if isinstance(value, str):
        return ScalarNode(value.replace("$", "$$"), mark)
    return ScalarNode(json.dumps(value), mark, plain=True)


def same_tree(one: Node, other: Node) -> bool:
    """Both say the same, wherever they stand."""
    if isinstance(one, MapNode) and isinstance(other, MapNode):
        return one.items.keys() == other.items.keys() and all(
            same_tree(value, other.items[key]) for key, value in one.items.items()
        )
    if isinstance(one, ListNode) and isinstance(other, ListNode):
        return len(one.items) == len(other.items) and all(map(same_tree, one.items, other.items))
    if isinstance(one, ScalarNode) and isinstance(other, ScalarNode):
        return one.text == other.text and scalar_type(one) == scalar_type(other)
    return False


def _root(path: Path, shown: str, findings: Findings) -> MapNode | None:
    try:
        data = read_source(path, limit=MAX_BYTES)
    except SourceFileError as error:
        findings.error("file-not-found", f"the file {error}", Mark(shown, 0, 0), remedy="Correct the path.")
        return None
    return read_yaml(data, shown, findings)


def _known(node: Node, kind: Kind, path: KeyPath, findings: Findings) -> Node:
    """The tree with known keys only; the others are reported."""
    if isinstance(kind, Either):
        kind = kind.mapping if isinstance(node, MapNode) else kind.plain
    if isinstance(node, ListNode) and isinstance(kind, ListOf):
        items = tuple(_known(item, kind.item, (*path, at), findings) for at, item in enumerate(node.items))
        return ListNode(items, node.mark)
    if isinstance(node, MapNode) and isinstance(kind, MapOf):
        entries = {key: _known(value, kind.value, (*path, key), findings) for key, value in node.items.items()}
        return MapNode(entries, node.mark, node.key_marks)
    if not (isinstance(node, MapNode) and isinstance(kind, Section)):
        return node
    kept = {}
    for key, value in node.items.items():
        if key in kind.entries:
            kept[key] = _known(value, kind.entries[key].kind, (*path, key), findings)
        else:
            _unknown(key, kind, node, path, findings)
    return MapNode(kept, node.mark, node.key_marks)


def _unknown(key: str, section: Section, node: MapNode, path: KeyPath, findings: Findings) -> None:
    known = section.written_keys()
    owner = f"`{path_text(path)}`" if path else "the file"
    remedy = did_you_mean(key, known) or f"Known keys: {', '.join(known)}."
    findings.error(
        "unknown-key", f"unsupported key {shortened(key)} in {owner}", node.key_mark(key), (*path, key), remedy
    )
