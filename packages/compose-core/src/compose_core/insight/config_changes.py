"""What differs between two configurations, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compose_core.spec.findings import Findings
from compose_core.spec.leaves import leaves
from compose_core.spec.nodes import ListNode, MapNode, Node, ScalarNode, scalar_type
from compose_core.spec.redaction import HIDDEN
from compose_core.spec.yaml_tree import read_yaml

Leaves = Mapping[str, Any]
"""Dotted key path to value; a list is one value."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path whose value is another one on the right; None where there is none."""

    path: str
    left: Any
    right: Any

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {"path": self.path, "left": self.left, "right": self.right}


def changes(left: Leaves, right: Leaves) -> tuple[Change, ...]:
    """Every path of either side with another value on the other one, in order."""
    paths = sorted({*left, *right})
    return tuple(Change(path, left.get(path), right.get(path)) for path in paths if left.get(path) != right.get(path))


def snapshot_leaves(yaml_text: str) -> dict[str, Any] | None:
    """Those of a `config_snapshot_yaml`; None when it is none that was written by us."""
    findings = Findings()
    tree = read_yaml(yaml_text.encode("utf-8", "replace"), "snapshot", findings)
    if tree is None or findings.has_errors:
        return None
    return leaves(_plain(tree))


def hides_something(values: Leaves) -> bool:
    """Some value is shown as `***`, so it cannot be compared."""
    return any(HIDDEN in str(value) for value in values.values())


def _plain(node: Node) -> Any:
    if isinstance(node, MapNode):
        return {key: _plain(item) for key, item in node.items.items()}
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return _scalar(node) if isinstance(node, ScalarNode) else None


def _scalar(node: ScalarNode) -> Any:
    match scalar_type(node):
        case "null":
            return None
        case "bool":
            return node.text.lower() == "true"
        case "integer" if node.text.lstrip("+-").isdigit() and len(node.text) < 20:
            return int(node.text)
        case _:
            return node.text
