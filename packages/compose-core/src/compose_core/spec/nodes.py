"""The tree of a YAML text: every key and value with its place, every scalar with its source text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from compose_core.errors import Location

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the root: `("services", "web", "volumes", 0)`."""

_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class Mark(NamedTuple):
    """A position in a file, both numbers 1-based."""

    file: str
    line: int
    column: int

    def at(self, path: KeyPath) -> Location:
        """The place of the key `path`, which stands here."""
        return Location(file=self.file, line=self.line, column=self.column, key_path=path_text(path))


class ScalarNode(NamedTuple):
    """One scalar; what it is (text, number …) is decided by the field that reads it."""

    text: str
    mark: Mark
    plain: bool = False
    """Written without quotes, so that `4` may be a number."""
    interpolated: bool = False
    """A variable was filled in, so that `"${n}"` may be a number in spite of its quotes."""


class ListNode(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


class MapNode(NamedTuple):
    """A mapping; all keys are text."""

    items: Mapping[str, Node]
    mark: Mark
    key_marks: Mapping[str, Mark] = MappingProxyType({})

    def key_mark(self, key: str) -> Mark:
        """Where the key stands; the mapping itself for a key that a pass added."""
        return self.key_marks.get(key, self.mark)


class BrokenNode(NamedTuple):
    """A value about which an error was already reported: later passes leave it alone."""

    mark: Mark


Node = ScalarNode | ListNode | MapNode | BrokenNode


def path_text(path: KeyPath) -> str:
    """`services.web.volumes[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return printable(text)


def printable(text: str) -> str:
    """The text with control, direction and other invisible characters escaped, so that it cannot play with a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def is_null(node: Node) -> bool:
    """A key without a value, or one that says `null` or `~`; an empty variable is an empty text instead."""
    return (
        isinstance(node, ScalarNode) and node.plain and not node.interpolated and _NULL.fullmatch(node.text) is not None
    )


def scalar_type(node: ScalarNode) -> str:
    """What YAML 1.2 sees in the scalar: `text`, `null`, `bool`, `integer` or `number`.

    Source: YAML 1.2.2, core schema; nothing of YAML 1.1 (no base-60 numbers, no `yes`, no dates).
    """
    if not (node.plain or node.interpolated):
        return "text"
    if _NULL.fullmatch(node.text):
        return "text" if node.interpolated else "null"
    for name, pattern in (("bool", _BOOL), ("integer", _INT), ("number", _FLOAT)):
        if pattern.fullmatch(node.text):
            return name
    return "text"


def found(node: Node) -> str:
    """What a message says about a value that does not fit: its kind, and a scalar's own text."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, BrokenNode):
        return "an invalid value"
    kind = scalar_type(node)
    return "nothing" if kind == "null" else f"the {kind} {shortened(node.text)}"


def shortened(text: str, limit: int = 60) -> str:
    """The text in quotes, escaped and cut, as it may stand in a message on a terminal."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr(shown)


def with_item(node: MapNode, key: str, value: Node) -> MapNode:
    """The mapping with one value replaced or added."""
    return node._replace(items={**node.items, key: value})


def without(node: MapNode, *keys: str) -> MapNode:
    """The mapping without these keys."""
    return node._replace(items={key: value for key, value in node.items.items() if key not in keys})


def walk(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    """Every node with its key path, parents first."""
    yield path, node
    if isinstance(node, MapNode):
        for key, value in node.items.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, ListNode):
        for position, value in enumerate(node.items):
            yield from walk(value, (*path, position))


def walk_plain(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The key path of every value in nested dicts."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk_plain(item, (*path, key))


def child_of(node: Node, part: str | int) -> Node | None:
    """The value of a key or list position; None when it is not there."""
    if isinstance(node, MapNode) and isinstance(part, str):
        return node.items.get(part)
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def node_at(root: Node, path: KeyPath) -> Node:
    """The node at the key path, or the nearest one above it."""
    for part in path:
        child = child_of(root, part)
        if child is None:
            break
        root = child
    return root


def place_of(root: Node, path: KeyPath) -> Location:
    """Where the key `path` is written, or the nearest key above it: a scalar's value, a mapping's or list's key."""
    node, mark = root, root.mark
    for part in path:
        child = child_of(node, part)
        if child is None:
            break
        mark = (
            node.key_mark(str(part)) if isinstance(node, MapNode) and not isinstance(child, ScalarNode) else child.mark
        )
        node = child
    return mark.at(path)
