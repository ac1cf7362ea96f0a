"""Pass 1: the bytes of a YAML 1.2 file to a tree of nodes, within limits that no text can get around.

The parser is libyaml's; what a plain scalar means is ours (see `nodes.scalar_type`), because YAML 1.1 reads `10:00:00` as 36000.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

from compose_core.spec.findings import Findings
from compose_core.spec.nodes import (
    BrokenNode,
    KeyPath,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    path_text,
    scalar_type,
    shortened,
)

MAX_BYTES = 1024 * 1024
MAX_NODES = 10_000
"""After aliases are expanded."""
MAX_DEPTH = 64
MAX_SCALAR = 64 * 1024
MAX_TEXT = 4 * 1024 * 1024
"""Characters of all scalars after aliases are expanded, or variables filled in."""

_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_MERGE = "<<"
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


class _Stop(Exception):
    """The rest of the text cannot be read; the reason is recorded."""


class _Sized(NamedTuple):
    """A node with its weight after aliases are expanded."""

    node: Node
    nodes: int
    characters: int
    height: int
    """Levels below it."""


def read_yaml(data: bytes, file: str, findings: Findings) -> MapNode | None:
    """The tree of a file; None when it cannot be read at all. What is wrong is recorded in `findings`."""
    text = _decode(data, file, findings)
    if text is None:
        return None
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        parser = loader(text)
        try:
            return _Composer(parser.get_event, file, findings).document()
        finally:
            parser.dispose()
    except _Stop:
        return None
    except yaml.YAMLError as error:
        _report_syntax(error, text, file, findings)
        return None


def _decode(data: bytes, file: str, findings: Findings) -> str | None:
    start = Mark(file, 1, 1)
    if len(data) > MAX_BYTES:
        remedy = "Keep data out of the compose file: mount it, or split the file with `extends`."
        findings.error(
            "file-too-large", f"the file has {len(data)} bytes; {MAX_BYTES} (1 MiB) are allowed", start, remedy=remedy
        )
        return None
    if data.startswith(_UTF16_OR_32) or b"\x00" in data[:4]:
        findings.error("not-utf-8", "the file is UTF-16 or UTF-32; UTF-8 is allowed", start, remedy="Save it as UTF-8.")
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        message = "the file starts with a byte order mark, which is ignored"
        findings.warning("byte-order-mark", message, start, remedy="Save it as UTF-8 without BOM.")
        data = data[3:]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = _LINE_BREAK.split(data[: error.start])
        mark = Mark(file, len(lines), len(lines[-1]) + 1)
        findings.error(
            "not-utf-8", f"byte 0x{data[error.start]:02x} is not UTF-8", mark, remedy="Save the file as UTF-8."
        )
        return None


def _report_syntax(error: yaml.YAMLError, text: str, file: str, findings: Findings) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read as YAML"
    line, column = (mark.line + 1, mark.column + 1) if mark else _line_and_column(text, getattr(error, "position", 0))
    context = getattr(error, "context", None)
    context_mark = getattr(error, "context_mark", None)
    since = f" {context} that starts at line {context_mark.line + 1}" if context and context_mark else ""
    remedy = "Check the indentation, brackets and quotes there."
    if "tab" in str(problem) or "\\t" in str(problem) or "cannot start any token" in str(problem):
        remedy = "Indent with spaces, and put text that starts with a special character in quotes."
    findings.error("yaml-syntax", f"YAML syntax error{since}: {problem}", Mark(file, line, column), remedy=remedy)


def _line_and_column(text: str, position: object) -> tuple[int, int]:
    before = text[: position if isinstance(position, int) else 0]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class _Composer:
    """Builds the tree from the parser's events; its depth is bounded, so recursion is safe."""

    def __init__(self, next_event: Callable[[], Any], file: str, findings: Findings) -> None:
        self._next_event = next_event
        self._file = file
        self._findings = findings
        self._anchors: dict[str, _Sized | None] = {}
        """None while the anchored value is still being read."""
        self._nodes = 0
        self._characters = 0
        self._deepest = 0

    def document(self) -> MapNode | None:
        """The one document of the stream."""
        self._next_event()  # stream start
        event = self._next_event()
        if isinstance(event, yaml.StreamEndEvent):
            self._not_a_mapping("the file is empty", Mark(self._file, 1, 1))
            return None
        root = self._node(self._next_event(), (), 0).node
        self._next_event()  # document end
        following = self._next_event()
        if isinstance(following, yaml.DocumentStartEvent):
            remedy = "Put each document into a file of its own."
            message = "a second YAML document starts here; one is allowed"
            self._findings.error("several-documents", message, self._mark(following), remedy=remedy)
        if isinstance(root, MapNode):
            return root
        if not isinstance(root, BrokenNode):
            what = (
                "a list" if isinstance(root, ListNode) else "empty" if scalar_type(root) == "null" else "a single value"
            )
            self._not_a_mapping(f"the file is {what}", root.mark)
        return None

    def _not_a_mapping(self, what: str, mark: Mark) -> None:
        remedy = "Start with `services:` and one service."
        self._findings.error(
            "not-a-mapping", f"{what}; the root must be a mapping with `services`", mark, remedy=remedy
        )

    def _mark(self, event: Any) -> Mark:
        start = event.start_mark
        return Mark(self._file, start.line + 1, start.column + 1)

    def _count(self, nodes: int, characters: int, mark: Mark, path: KeyPath) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MAX_NODES or self._characters > MAX_TEXT:
            limit = f"{MAX_NODES} values" if self._nodes > MAX_NODES else f"{MAX_TEXT} characters"
            message = f"the file has more than {limit} after aliases are expanded"
            self._findings.error(
                "file-too-complex", message, mark, path, "Use fewer aliases, or generate several smaller files."
            )
            raise _Stop

    def _node(self, event: Any, path: KeyPath, depth: int) -> _Sized:
        mark = self._mark(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, mark, path, depth)
        self._check_depth(depth, mark, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        before = (self._nodes, self._characters, self._deepest)
        self._deepest = depth
        node = self._content(event, mark, path, depth)
        if event.tag not in (None, "!"):
            remedy = "Remove the tag; put the value in quotes to make it text."
            node = self._findings.error("tag", f"the tag {shortened(event.tag)} is not allowed", mark, path, remedy)
        sized = _Sized(node, self._nodes - before[0], self._characters - before[1], self._deepest - depth)
        self._deepest = max(before[2], self._deepest)
        if event.anchor is not None:
            self._anchors[event.anchor] = sized
        return sized

    def _check_depth(self, depth: int, mark: Mark, path: KeyPath) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            message = f"values are nested deeper than {MAX_DEPTH} levels"
            self._findings.error(
                "file-too-complex", message, mark, path[:8], "A compose file needs fewer than ten levels."
            )
            raise _Stop

    def _alias(self, event: Any, mark: Mark, path: KeyPath, depth: int) -> _Sized:
        target = self._anchors.get(event.anchor)
        if target is None:
            inside = event.anchor in self._anchors
            message = f"the alias *{event.anchor} " + (
                "stands inside its own anchor" if inside else "has no anchor before it"
            )
            remedy = (
                "Give a value that does not contain itself."
                if inside
                else f"Write `&{event.anchor}` at the value that is meant."
            )
            return _Sized(self._findings.error("alias", message, mark, path, remedy), 0, 0, 0)
        self._count(target.nodes, target.characters, mark, path)
        self._check_depth(depth + target.height, mark, path)
        return target

    def _content(self, event: Any, mark: Mark, path: KeyPath, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, mark, path)
        self._count(1, 0, mark, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(mark, path, depth)
        return self._mapping(mark, path, depth)

    def _scalar(self, event: Any, mark: Mark, path: KeyPath) -> Node:
        text: str = event.value
        self._count(1, len(text), mark, path)
        if len(text) > MAX_SCALAR:
            message = f"the value has {len(text)} characters; {MAX_SCALAR} are allowed"
            return self._findings.error(
                "value-too-long", message, mark, path, "Put long scripts into a file of their own."
            )
        if "\x00" in text:
            return self._findings.error(
                "control-character", "the value contains a NUL character", mark, path, "Remove `\\0` from it."
            )
        return ScalarNode(text, mark, plain=not event.style)

    def _sequence(self, mark: Mark, path: KeyPath, depth: int) -> ListNode:
        items: list[Node] = []
        while not isinstance(event := self._next_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), depth + 1).node)
        return ListNode(tuple(items), mark)

    def _mapping(self, mark: Mark, path: KeyPath, depth: int) -> MapNode:
        items: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        merged: list[tuple[Node, Mark]] = []
        while not isinstance(event := self._next_event(), yaml.MappingEndEvent):
            key_mark = self._mark(event)
            key = self._key(event, path, depth)
            value_path = (*path, key if key is not None else "?")
            value = self._node(self._next_event(), value_path, depth + 1).node
            if key == _MERGE and not event.style:
                merged.append((value, key_mark))
                continue
            if key is None:
                continue
            if key in items:
                self._duplicate(key, marks[key], key_mark, value_path)
                continue
            items[key] = value
            marks[key] = key_mark
        for node, key_mark in merged:
            self._merge(node, key_mark, path, items, marks)
        return MapNode(items, mark, marks)

    def _key(self, event: Any, path: KeyPath, depth: int) -> str | None:
        """The key as text; None (and recorded) when it is something else."""
        mark = self._mark(event)
        node = self._node(event, (*path, "?"), depth + 1).node
        if isinstance(node, ScalarNode):
            if (kind := scalar_type(node)) == "text":
                return node.text
            shown = {"null": "an empty key"}.get(kind, f"the {kind} {node.text} as a key")
            remedy = f'Put it in quotes: "{node.text}".' if kind != "null" else "Write a key before the colon."
        elif isinstance(node, BrokenNode):
            return None
        else:
            shown, remedy = "a list or mapping as a key", "Keys are plain text."
        what = "service names" if path == ("services",) else "keys"
        self._findings.error("non-string-key", f"{shown} was found; {what} must be strings", mark, path, remedy)
        return None

    def _duplicate(self, key: str, first: Mark, second: Mark, path: KeyPath) -> None:
        message = f"the key '{key}' is given twice, at line {first.line} and line {second.line}"
        self._findings.error("duplicate-key", message, second, path, "Keep one of them.")

    def _merge(self, node: Node, mark: Mark, path: KeyPath, items: dict[str, Node], marks: dict[str, Mark]) -> None:
        """Merge keys: what is written wins over what is merged, the first of a list over the later ones."""
        sources = node.items if isinstance(node, ListNode) else (node,)
        for source in sources:
            if isinstance(source, MapNode):
                for key, value in source.items.items():
                    if key not in items:
                        items[key] = value
                        marks[key] = source.key_mark(key)
            elif not isinstance(source, BrokenNode):
                message = f"`<<` merges a mapping or a list of mappings into {path_text(path) or 'the file'}"
                self._findings.error(
                    "merge-key", message, mark, (*path, _MERGE), "Write `<<: *anchor` with the anchor of a mapping."
                )
