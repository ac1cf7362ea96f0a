"""How much of the fault suite runs: a short profile among the other tests, the full one with `nox -s faults`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

_VARIABLE = "HPCC_FAULTS"
"""`HPCC_FAULTS=full` in the environment asks for the full profile."""
IS_FULL = os.environ.get(_VARIABLE) == "full"

Item = TypeVar("Item")
Test = TypeVar("Test", bound=Callable[..., object])
_NEEDS_FULL = "needs_full_profile"


def in_full_profile_only(test: Test) -> Test:
    """The test takes minutes: the short profile does not even collect it."""
    setattr(test, _NEEDS_FULL, True)
    return test


def is_left_out(test: object) -> bool:
    """It belongs to the full profile, and that is not the one that runs."""
    return not IS_FULL and getattr(test, _NEEDS_FULL, False)


def sized(*, short: int, full: int) -> int:
    """A figure of the profile that runs."""
    return full if IS_FULL else short


def chosen(items: Sequence[Item], *, short: int) -> list[Item]:
    """All of them in the full profile, else so many, spread evenly, the first and the last among them."""
    if IS_FULL or len(items) <= short:
        return list(items)
    if short == 1:
        return [items[len(items) // 2]]
    last = len(items) - 1
    return [items[round(position * last / (short - 1))] for position in range(short)]
