"""List forms of mappings: `KEY=VALUE` items and bare names."""

from __future__ import annotations

from compose_core.spec.findings import Findings
from compose_core.spec.nodes import BrokenNode, KeyPath, ListNode, MapNode, Mark, Node, ScalarNode, found, is_null


def pairs_to_map(node: Node, path: KeyPath, findings: Findings) -> Node:
    """`[A=1, B=2]` as a mapping; a mapping stays as it is."""
    if not isinstance(node, ListNode):
        return node
    items: dict[str, Node] = {}
    marks: dict[str, Mark] = {}
    for position, item in enumerate(node.items):
        if isinstance(item, BrokenNode):
            continue
        key, equals, value = item.text.partition("=") if isinstance(item, ScalarNode) else ("", "", "")
        if not equals or not key.strip():
            message = f"KEY=VALUE is expected; {found(item)} was found"
            findings.error(
                "key-value",
                message,
                item.mark,
                (*path, position),
                "Write KEY=VALUE, or use the mapping form KEY: value.",
            )
        elif key in items:
            message = f"{key} is given twice, at line {marks[key].line} and line {item.mark.line}"
            findings.error("duplicate-key", message, item.mark, (*path, position), "Keep one of them.")
        else:
            items[key] = ScalarNode(value, item.mark, interpolated=isinstance(item, ScalarNode) and item.interpolated)
            marks[key] = item.mark
    return MapNode(items, node.mark, marks)


def names_to_map(node: Node, path: KeyPath, findings: Findings) -> Node:
    """`[redis, db]` as a mapping of names to empty mappings; a mapping stays, and its empty values become empty mappings."""
    if isinstance(node, MapNode):
        items = {key: MapNode({}, value.mark) if is_null(value) else value for key, value in node.items.items()}
        return MapNode(items, node.mark, node.key_marks)
    if not isinstance(node, ListNode):
        return node
    items = {}
    marks: dict[str, Mark] = {}
    for position, item in enumerate(node.items):
        if isinstance(item, BrokenNode):
            continue
        if not isinstance(item, ScalarNode) or is_null(item):
            message = f"a name is expected; {found(item)} was found"
            findings.error("type", message, item.mark, (*path, position), "Write a list of names, or a mapping.")
        elif item.text in items:
            message = f"'{item.text}' is listed twice, at line {marks[item.text].line} and line {item.mark.line}"
            findings.error("duplicate-key", message, item.mark, (*path, position), "Keep one of them.")
        else:
            items[item.text] = MapNode({}, item.mark)
            marks[item.text] = item.mark
    return MapNode(items, node.mark, marks)


def as_list(node: Node) -> Node:
    """A single value as a list of one; anything else stays."""
    return ListNode((node,), node.mark) if isinstance(node, ScalarNode) and not is_null(node) else node
