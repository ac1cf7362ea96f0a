"""Values that go to plain JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self


class Plain:
    """A frozen dataclass of plain data; fields that a later release added are dropped."""

    def as_json(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # every subclass is a dataclass

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """The value that these fields spell."""
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]  # as above
        return cls(**{name: value for name, value in said.items() if name in known})
