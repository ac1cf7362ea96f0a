"""The tables of docs/spec.md, from the grammar: `python -m docs.generate_spec_tables` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import (
    MEMORY,
    SLURM_TIME,
    Choice,
    Command,
    Either,
    Entry,
    Flag,
    Integer,
    JsonSchema,
    Kind,
    ListOf,
    MapOf,
    Number,
    Section,
    Text,
    Typed,
)
from docs.generated_blocks import rewrite, slug, table
from docs.refusals import rules_of_keys
from docs.spec_examples import example_of

PAGE = Path(__file__).parent / "spec.md"
COLUMNS = ["key", "holds", "default", "example", "rules", "what it is for"]
HEADINGS = {
    "compose": "The file",
    "service": "services.NAME",
    "service-slurm": "services.NAME.x-slurm",
    "job-slurm": "x-slurm",
    "image-options": "x-runtime",
    "step-script": "prologue and epilogue",
}
"""Headings of docs/spec.md that are not the section's own name."""


def heading_of(section: Section) -> str:
    """The heading below which the page describes the section."""
    return HEADINGS.get(section.name, section.name)


def blocks() -> dict[str, str]:
    """Name of each section to its table."""
    found: dict[str, str] = {}
    rules = rules_of_keys()
    for section in sections(COMPOSE):
        if section.name not in found:
            rows = [
                _row(key, entry, example_of(section, key), rules.get((section.name, key), ()))
                for key, entry in section.entries.items()
                if entry.written
            ]
            found[section.name] = table(COLUMNS, rows)
    return found


def sections(kind: Kind) -> Iterator[Section]:
    """Every section, in the order in which a reader meets it; some more than once."""
    if isinstance(kind, Section):
        yield kind
        for entry in kind.entries.values():
            yield from sections(entry.kind)
    elif isinstance(kind, Typed):
        for section in kind.sections.values():
            yield from sections(section)
    elif isinstance(kind, ListOf):
        yield from sections(kind.item)
    elif isinstance(kind, MapOf):
        yield from sections(kind.value)
    elif isinstance(kind, Either):
        yield from sections(kind.mapping)


def _row(key: str, entry: Entry, example: str, rules: Iterable[str]) -> list[str]:
    name = f"**`{key}`**" if entry.required else f"`{key}`"
    default = "" if entry.default is None else f"`{_plain(entry.default)}`"
    told = " ".join(f"[{code}](refusals.md#{code})" for code in rules)
    return [name, _holds(entry), default, f"`{example}`" if example else "", told, entry.doc]


def _holds(entry: Entry) -> str:
    text = _shape(entry.kind)
    short = sorted({_short(schema) for schema in entry.shorthand})
    return f"{text}; or {' or '.join(short)}" if short else text


def _shape(kind: Kind) -> str:
    match kind:
        case Text():
            return kind.what + (", also of several lines" if kind.lines else "")
        case Integer():
            return f"integer ≥ {kind.minimum}" if kind.maximum is None else f"integer {kind.minimum}–{kind.maximum}"
        case Number():
            return "number"
        case Flag():
            return "`true`, `false`"
        case Choice():
            return ", ".join(f"`{value}`" for value in kind.values)
        case Command():
            return "shell text, or a list of words"
        case Section():
            return f"[{kind.name}](#{slug(heading_of(kind))})"
    return _compound_shape(kind)


def _compound_shape(kind: Kind) -> str:
    match kind:
        case ListOf():
            return f"{'non-empty list' if kind.at_least else 'list'}: {_shape(kind.item)}"
        case MapOf():
            return f"mapping: {kind.what} → {_shape(kind.value)}"
        case Either():
            return f"{_shape(kind.plain)}; or {_shape(kind.mapping)}"
        case Typed():
            return "one of " + ", ".join(_shape(section) for section in kind.sections.values())
    if kind is SLURM_TIME:
        return "a Slurm time"
    if kind is MEMORY:
        return "a memory size"
    return " or ".join(_short(schema) for schema in kind.schema()["anyOf"] if schema.get("pattern") != r"\$")


def _short(schema: JsonSchema) -> str:
    """A form that may be written instead, in a few words."""
    if "$ref" in schema:
        return "one mapping"
    kind = schema.get("type")
    if kind == "integer" and "maximum" in schema:
        return f"integer {schema['minimum']}–{schema['maximum']}"
    if kind == "string" and "port" in schema.get("pattern", ""):
        return "`@{service.port.name}`"
    return {"array": "a list", "object": "a mapping"}.get(str(kind), "text")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    rewrite(PAGE, blocks())
