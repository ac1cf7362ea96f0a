"""The `$` grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.spec.placeholders import (
    MAX_NESTING,
    PlaceholderError,
    Reference,
    Template,
    fill,
    parse_template,
    references,
)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="${}", exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("$A", (Reference("A"),)),
        ("a$A.b", ("a", Reference("A"), ".b")),
        ("${A}b", (Reference("A"), "b")),
        ("$$A", ("$A",)),
        ("$$$A", ("$", Reference("A"))),
        ("${A:-}", (Reference("A", ":-"),)),
        ("${A-x y}", (Reference("A", "-", ("x y",)),)),
        ("${A:-{}}", (Reference("A", ":-", ("{}",)),)),
        ("${A?no $B}", (Reference("A", "?", ("no ", Reference("B"))),)),
        ("${A:-${B-${C}}}", (Reference("A", ":-", (Reference("B", "-", (Reference("C"),)),)),)),
        ("a}b{c", ("a}b{c",)),
    ],
)
def test_a_text_is_split_into_fixed_parts_and_placeholders(text: str, parts: Template) -> None:
    assert parse_template(text) == parts


@pytest.mark.parametrize(
    "text", ["$", "a$", "$1", "$ A", "${", "${}", "${A", "${1}", "${A:}", "${A:+x}", "${A:-${B}", "${A B}", "${A!}"]
)
def test_a_malformed_placeholder_is_told(text: str) -> None:
    with pytest.raises(PlaceholderError):
        parse_template(text)


def test_nesting_has_a_limit() -> None:
    parse_template("${A:-" * MAX_NESTING + "}" * MAX_NESTING)
    with pytest.raises(PlaceholderError, match="deeper"):
        parse_template("${A:-" * (MAX_NESTING + 1) + "}" * (MAX_NESTING + 1))


@given(st.text(alphabet="$${}A:-? a", max_size=30))
def test_any_text_is_a_template_or_a_placeholder_error(text: str) -> None:
    try:
        template = parse_template(text)
    except PlaceholderError:
        return
    assert fill(template, lambda _: "") is not None


@given(st.lists(st.tuples(names, st.sampled_from([":-", "-"])), min_size=1, max_size=MAX_NESTING), texts)
def test_nested_defaults_resolve_to_the_innermost(layers: list[tuple[str, str]], last: str) -> None:
    text = last
    for name, operator in layers:
        text = f"${{{name}{operator}{text}}}"

    def default(reference: Reference) -> str | None:
        return fill(reference.argument, default)

    template = parse_template(text)
    assert fill(template, default) == last
    assert [reference.name for reference in references(template)] == [name for name, _ in reversed(layers)]


@given(texts)
def test_a_doubled_dollar_is_one(text: str) -> None:
    escaped = (text + "$x$").replace("$", "$$")
    assert fill(parse_template(escaped), lambda _: None) == text + "$x$"


def test_one_missing_value_leaves_nothing() -> None:
    assert fill(parse_template("a${B}c"), lambda _: None) is None


@pytest.mark.parametrize(
    ("operator", "value", "accepted"),
    [
        ("", "", True),
        ("", None, False),
        (":-", "", False),
        ("-", "", True),
        (":?", "", False),
        ("?", "", True),
        ("?", None, False),
    ],
)
def test_the_colon_counts_empty_as_unset(operator: str, value: str | None, accepted: bool) -> None:
    assert Reference("A", operator).accepts(value) is accepted
