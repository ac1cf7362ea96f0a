"""Values that several tables speak of: names, paths, counts, shell text."""

from __future__ import annotations

from compose_core.spec.kinds import Integer, JsonSchema, MapOf, Text

ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
ENV_RULE = "unsafe variable name; letters, digits and _ are allowed, and no digit first"
SERVICE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

COUNT = Integer(minimum=1)
WORDS = Text(example="gpu-a100")
PATH = Text("a path", example="./data")
SHELL = Text("shell text", lines=True)
ONE_TEXT: JsonSchema = {"type": "string", "pattern": r"\S"}
PAIRS: JsonSchema = {"type": "array", "items": {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*=|\$"}}
"""Variables as Docker writes them in a list."""


def environment() -> MapOf:
    """Variables with their values."""
    value = Text("a value", lines=True, may_be_empty=True)
    return MapOf(value, ENV_NAME, "a variable", ENV_RULE, code="env-name")
