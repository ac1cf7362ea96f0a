"""The `$` grammar: `$NAME ${NAME} ${NAME:-default} ${NAME-default} ${NAME:?message} ${NAME?message} $$`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_NESTING = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIXED = re.compile(r"[^${}]+")
_OPERATOR = re.compile(r":?[-?]")


class Reference(NamedTuple):
    """One placeholder of a text."""

    name: str
    operator: str = ""
    """`:-`, `-`, `:?`, `?`, or empty."""
    argument: tuple[str | Reference, ...] = ()
    """The default, which may hold placeholders itself, or the message."""

    def accepts(self, value: str | None) -> bool:
        """The variable's value is used, rather than the default or the message."""
        return value is not None and (bool(value) or not self.operator.startswith(":"))


Template = tuple["str | Reference", ...]


class PlaceholderError(ValueError):
    """The text has a `$` that starts nothing we know."""


def parse_template(text: str) -> Template:
    """The fixed parts and placeholders of a text.

    Raises: PlaceholderError: a placeholder is malformed.
    """
    if "$" not in text:
        return (text,) if text else ()
    parts, _ = _parse(text, 0, closing=False, depth=0)
    return parts


def references(template: Template) -> Iterator[Reference]:
    """Every placeholder, those inside defaults too."""
    for part in template:
        if isinstance(part, Reference):
            yield part
            yield from references(part.argument)


def fill(template: Template, value_of: Callable[[Reference], str | None]) -> str | None:
    """The text with every placeholder replaced; None when one of them has no value.

    What comes out of a variable is never looked at again.
    """
    texts = []
    for part in template:
        text = part if isinstance(part, str) else value_of(part)
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def _parse(text: str, position: int, *, closing: bool, depth: int) -> tuple[Template, int]:
    """Parts from `position` on, up to the end, or up to the `}` that closes the placeholder around."""
    parts: list[str | Reference] = []
    literal: list[str] = []
    nested_braces = 0
    while position < len(text):
        character = text[position]
        if character == "$":
            part, position = _placeholder(text, position, depth)
            if isinstance(part, str):
                literal.append(part)
            else:
                parts += ["".join(literal), part]
                literal = []
            continue
        if closing and character == "}" and nested_braces == 0:
            return _tidy([*parts, "".join(literal)]), position
        if closing and character in "{}":
            nested_braces += 1 if character == "{" else -1
        end = run.end() if (run := _FIXED.match(text, position)) else position + 1
        literal.append(text[position:end])
        position = end
    if closing:
        raise PlaceholderError("a `${` is not closed by `}`")
    return _tidy([*parts, "".join(literal)]), position


def _tidy(parts: list[str | Reference]) -> Template:
    return tuple(part for part in parts if part != "")


def _placeholder(text: str, position: int, depth: int) -> tuple[str | Reference, int]:
    """The placeholder at the `$` of `position`, and where the text goes on."""
    following = text[position + 1 : position + 2]
    if following == "$":
        return "$", position + 2
    if following == "{":
        return _braced(text, position + 2, depth)
    name = _NAME.match(text, position + 1)
    if not name:
        raise PlaceholderError("a `$` stands alone")
    return Reference(name[0]), name.end()


def _braced(text: str, position: int, depth: int) -> tuple[Reference, int]:
    if depth >= MAX_NESTING:
        raise PlaceholderError(f"placeholders are nested deeper than {MAX_NESTING} levels")
    name = _NAME.match(text, position)
    if not name:
        raise PlaceholderError("`${` has to be followed by a variable name")
    position = name.end()
    if text[position : position + 1] == "}":
        return Reference(name[0]), position + 1
    operator = _OPERATOR.match(text, position)
    if not operator:
        rest = text[position : position + 12]
        raise PlaceholderError(
            f"`{rest}` cannot follow `${{{name[0]}`" if rest else f"`${{{name[0]}` is not closed by `}}`"
        )
    argument, position = _parse(text, operator.end(), closing=True, depth=depth + 1)
    return Reference(name[0], operator[0], argument), position + 1
