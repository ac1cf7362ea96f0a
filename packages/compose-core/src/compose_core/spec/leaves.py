"""Nested data as one value for each dotted key path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def leaves(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values below their paths, such as `services.web.environment.MODE`; a list is one value."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            found.update(leaves(item, f"{path}."))
        else:
            found[path] = item
    return found
