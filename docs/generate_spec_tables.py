"""The tables of docs/spec.md, from the grammar: `python -m docs.generate_spec_tables` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compose_core.spec.executable import NOT_EXECUTED_YET
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

PAGE = Path(__file__).parent / "spec.md"
COLUMNS = ["key", "holds", "default", "executed", "what it is for"]
KeyPath = tuple[str, ...]
_UNSPECIFIC = ("text", "a path")
"""Kinds whose example says nothing about the key."""

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
    for section, path, executed in _sections(COMPOSE, (), executed=True):
        if section.name not in found:
            rows = [
                _row(key, entry, (*path, key), executed=executed)
                for key, entry in section.entries.items()
                if entry.written
            ]
            found[section.name] = table(COLUMNS, rows)
    return found


def _sections(kind: Kind, path: KeyPath, *, executed: bool) -> Iterator[tuple[Section, KeyPath, bool]]:
    """Every section with the key path under which it is met, and whether this release executes what stands there."""
    if isinstance(kind, Section):
        yield kind, path, executed
        for key, entry in kind.entries.items():
            yield from _sections(entry.kind, (*path, key), executed=executed and _is_executed((*path, key)))
    elif isinstance(kind, Typed):
        for section in kind.sections.values():
            yield from _sections(section, path, executed=executed)
    elif isinstance(kind, ListOf):
        yield from _sections(kind.item, path, executed=executed)
    elif isinstance(kind, MapOf):
        yield from _sections(kind.value, (*path, "*"), executed=executed)
    elif isinstance(kind, Either):
        yield from _sections(kind.mapping, path, executed=executed)


def _is_executed(path: KeyPath) -> bool:
    same = tuple("x-runtime" if part == "x-enroot" else part for part in path)
    return same not in NOT_EXECUTED_YET


def _row(key: str, entry: Entry, path: KeyPath, *, executed: bool) -> list[str]:
    name = f"**`{key}`**" if entry.required else f"`{key}`"
    default = "" if entry.default is None else f"`{_plain(entry.default)}`"
    is_executed = "yes" if executed and _is_executed(path) else "not yet"
    return [name, _holds(entry), default, is_executed, entry.doc]


def _holds(entry: Entry) -> str:
    example = "" if entry.example is None else f" (`{_plain(entry.example)}`)"
    text = _shape(entry.kind).partition(" (`")[0] + example if example else _shape(entry.kind)
    short = sorted({_short(schema) for schema in entry.shorthand})
    return f"{text}; or {' or '.join(short)}" if short else text


def _shape(kind: Kind) -> str:
    match kind:
        case Text():
            text = kind.what + (", also of several lines" if kind.lines else "")
            return f"{text} (`{kind.example}`)" if kind.example and kind.what not in _UNSPECIFIC else text
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
