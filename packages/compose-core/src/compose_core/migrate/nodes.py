"""Docker's short and long forms, read tolerantly: what has the wrong shape is simply not there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from compose_core.spec.nodes import ListNode, MapNode, Mark, Node, ScalarNode, is_null


def text_of(node: Node | None) -> str | None:
    """The text of a scalar that says something."""
    return node.text if isinstance(node, ScalarNode) and not is_null(node) else None


def map_of(node: Node | None) -> MapNode | None:
    """The mapping, if it is one."""
    return node if isinstance(node, MapNode) else None


def child(node: Node | None, *keys: str) -> Node | None:
    """The node below these keys."""
    for key in keys:
        node = node.items.get(key) if isinstance(node, MapNode) else None
    return node


def texts_of(node: Node | None) -> list[tuple[str, Mark]]:
    """The texts of a list, or of the one scalar that stands for it."""
    if isinstance(node, ScalarNode):
        return [] if is_null(node) else [(node.text, node.mark)]
    items = node.items if isinstance(node, ListNode) else ()
    return [(item.text, item.mark) for item in items if isinstance(item, ScalarNode)]


def nodes_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list, or the one node that stands for it."""
    if node is None or (isinstance(node, ScalarNode) and is_null(node)):
        return ()
    return node.items if isinstance(node, ListNode) else (node,)


def pairs_of(node: Node | None) -> Iterator[tuple[str, str | None, Mark]]:
    """Names and values of a mapping, or of a list of `NAME=value`; None: the value is the host's."""
    if isinstance(node, MapNode):
        for name, value in node.items.items():
            if isinstance(value, ScalarNode):
                yield name, text_of(value), value.mark
        return
    for text, mark in texts_of(node):
        name, equals, value_text = text.partition("=")
        yield name, value_text if equals else None, mark


def words_of(node: Node | None) -> list[str] | None:
    """A command as Docker starts it: a list as it is, a string split as a shell would, but run by none."""
    if isinstance(node, ListNode):
        return [text for text, _ in texts_of(node)]
    text = text_of(node)
    if text is None:
        return None
    try:
        return shlex.split(text)
    except ValueError:
        return [text]
