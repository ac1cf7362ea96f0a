"""YAML 1.2 within limits."""

from __future__ import annotations

import pytest

from compose_core.spec import yaml_tree
from compose_core.spec.findings import Findings
from compose_core.spec.nodes import ListNode, MapNode, ScalarNode, scalar_type
from compose_core.spec.yaml_tree import read_yaml


def read(data: str | bytes) -> tuple[MapNode | None, list[str]]:
    """The tree and the codes of what is wrong."""
    findings = Findings()
    tree = read_yaml(data if isinstance(data, bytes) else data.encode(), "c.yaml", findings)
    return tree, [problem.code for problem in findings.in_order()]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10:00:00", "text"), ("no", "text"), ("on", "text"), ("1_000", "text"), ("2024-01-01", "text"), ("=", "text"), ("0b1", "text"),
        ("true", "bool"), ("FALSE", "bool"), ("tRUE", "text"), ("", "null"), ("~", "null"), ("Null", "null"),
        ("030", "integer"), ("-7", "integer"), ("0o17", "integer"), ("0x1F", "integer"), ("+1", "integer"),
        ("3.10", "number"), ("1e3", "number"), (".5", "number"), ("-.inf", "number"), (".nan", "number"), ("1.2.3", "text"), ("٣", "text"),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_what_yaml_1_2_says(text: str, kind: str) -> None:
    tree, problems = read(f"a: {text}\n")
    assert tree is not None
    assert not problems
    node = tree.items["a"]
    assert isinstance(node, ScalarNode)
    assert (node.text, scalar_type(node)) == (text, kind)


def test_quotes_make_text_of_anything() -> None:
    tree, _ = read("a: ['1', \"true\"]\nb: '~'\n")
    assert tree is not None
    listed = tree.items["a"]
    assert isinstance(listed, ListNode)
    assert [scalar_type(item) for item in (*listed.items, tree.items["b"]) if isinstance(item, ScalarNode)] == [
        "text"
    ] * 3


def test_places_are_those_of_the_text() -> None:
    tree, _ = read("a:\n  - x\n  - 'y'\nb: {c: 1}\n")
    assert tree is not None
    listed, mapping = tree.items["a"], tree.items["b"]
    assert isinstance(listed, ListNode)
    assert isinstance(mapping, MapNode)
    assert [(item.mark.line, item.mark.column) for item in listed.items] == [(2, 5), (3, 5)]
    assert (mapping.key_mark("c").line, mapping.key_mark("c").column) == (4, 5)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_counted(line_end: str) -> None:
    findings = Findings()
    read_yaml(line_end.join(["a: 1", "b: 2", "a: 3", ""]).encode(), "c.yaml", findings)
    (problem,) = findings.in_order()
    assert problem.where is not None
    assert (problem.where.line, problem.where.column) == (3, 1)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a: " + b"x" * yaml_tree.MAX_BYTES, "file-too-large"),
        (b"a: " + b"x" * (yaml_tree.MAX_SCALAR + 1), "value-too-long"),
        (b"a: [" + b"1," * yaml_tree.MAX_NODES + b"]", "file-too-complex"),
        (b"a: " + b"[" * 100_000, "file-too-complex"),
        (b"a: " + b"{a: " * 3000, "file-too-complex"),
        (b"- " * 3000, "file-too-complex"),
        ("a: ü".encode("utf-16"), "not-utf-8"),
        ("a: ü".encode("utf-32"), "not-utf-8"),
        ("a: b".encode("utf-16-le"), "not-utf-8"),
        (b"a: \xfc", "not-utf-8"),
        (b"a: \xed\xa0\x80", "not-utf-8"),
    ],
)
def test_each_limit_is_a_clean_error(data: bytes, code: str) -> None:
    assert read(data)[1] == [code]


def test_aliases_that_explode_are_refused_before_they_do() -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    assert read("\n".join(bomb))[1] == ["file-too-complex"]


def test_aliases_cannot_nest_deeper_than_the_limit() -> None:
    """Few nodes, each inside the one before: a tree that no recursion could walk."""
    levels = ["a0: &a0 x"] + [f"a{level}: &a{level} {'[' * 20}*a{level - 1}{']' * 20}" for level in range(1, 12)]
    assert read("\n".join(levels))[1] == ["file-too-complex"]


def test_long_texts_cannot_be_multiplied_by_aliases() -> None:
    text = "a: &a " + "x" * 60_000 + "\nb: [" + ", ".join(["*a"] * 100) + "]\n"
    assert read(text)[1] == ["file-too-complex"]


def test_a_byte_order_mark_is_only_a_warning() -> None:
    tree, problems = read(b"\xef\xbb\xbfa: 1\n")
    assert tree is not None
    assert list(tree.items) == ["a"]
    assert problems == ["byte-order-mark"]


def test_an_anchor_may_be_given_again() -> None:
    tree, problems = read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n")
    assert tree is not None
    assert not problems
    assert [node.text for node in tree.items.values() if isinstance(node, ScalarNode)] == ["1", "1", "2", "2"]
