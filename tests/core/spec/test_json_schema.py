"""The schema that editors use; that it agrees with the loader is shown by test_cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compose_core.spec.grammar import COMPOSE, JOB_SLURM, SERVICE, SERVICE_SLURM
from compose_core.spec.json_schema import compose_schema


def test_every_key_is_offered_with_a_description() -> None:
    schema = compose_schema()
    places = {"job-slurm": JOB_SLURM, "service": SERVICE, "service-slurm": SERVICE_SLURM}
    for name, section in places.items():
        properties = schema["$defs"][name]["properties"]
        assert list(properties) == section.written_keys()
        assert all(entry["description"].strip() for entry in properties.values())
    assert list(schema["properties"]) == COMPOSE.written_keys()


def test_every_reference_has_its_definition_and_every_definition_is_used() -> None:
    schema = compose_schema()
    used = {reference.removeprefix("#/$defs/") for reference in references(schema)}
    assert used == set(schema["$defs"])


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in the schema."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_no_key_is_called_by_what_only_a_pass_writes() -> None:
    assert "prepare" not in compose_schema()["$defs"]["service"]["properties"]
