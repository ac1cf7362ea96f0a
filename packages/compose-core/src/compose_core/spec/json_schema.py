"""The JSON Schema of what a user may write: short forms, variables in place of numbers, descriptions and defaults included.

It follows the tables of `grammar`; what only a look across keys can tell stays with `hpcc validate`.
"""

from __future__ import annotations

from collections.abc import Iterator

from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import Either, JsonSchema, Kind, ListOf, MapOf, Section, Typed

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def compose_schema() -> JsonSchema:
    """The schema of a compose file, draft 2020-12."""
    root = COMPOSE.definition()
    root.pop("required")
    return {
        "$schema": DIALECT,
        "title": "hpc-compose file",
        "description": "One application of one or more services that becomes one Slurm job.",
        **root,
        "anyOf": [{"required": ["services"]}, {"required": ["steps"]}, {"required": ["extends"]}],
        "not": {"required": ["services", "steps"]},
        "$defs": {section.name: section.definition() for section in _sections(COMPOSE) if section is not COMPOSE},
    }


def _sections(kind: Kind) -> Iterator[Section]:
    """Every section that can be reached from a kind, once or more."""
    if isinstance(kind, Section):
        yield kind
        for entry in kind.entries.values():
            yield from _sections(entry.kind)
    elif isinstance(kind, Typed):
        for section in kind.sections.values():
            yield from _sections(section)
    elif isinstance(kind, ListOf):
        yield from _sections(kind.item)
    elif isinstance(kind, MapOf):
        yield from _sections(kind.value)
    elif isinstance(kind, Either):
        yield from _sections(kind.mapping)
