"""The base of the models: a frozen dataclass that is cheap to define.

`@dataclass(frozen=True)` compiles six methods for each class, which for all models takes longer than to load a compose file. Here one
is compiled, `__init__`, and the others are shared; `dataclasses.replace`, `fields` and pydantic see ordinary dataclasses.
"""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen:
    """A record whose fields are set once, when it is made; two are equal when class and fields are."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        """Make the subclass a dataclass."""
        dataclass(init=True, repr=False, eq=False, kw_only=kw_only)(cls)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.__class__, *self.__dict__.values()))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{self.__class__.__qualname__}({values})"
