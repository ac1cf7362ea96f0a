"""When a sweep has found enough: `objective < 0.05`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from compose_core.errors import UsageError

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*objective\s*(<=|>=|<|>)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*")


@dataclass(frozen=True, slots=True)
class StopWhen:
    """A bound that the figure of any trial has to pass."""

    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> StopWhen:
        """From `objective < 0.05`.

        Raises: UsageError: it is no such comparison.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is no condition on the objective",
                remedy="Write for example: objective < 0.05",
                code="stop-when",
            )
        return cls(match[1], float(match[2]))

    def is_met_by(self, figure: float) -> bool:
        """Whether this figure passes the bound."""
        return _COMPARISONS[self.comparison](figure, self.bound)

    def __str__(self) -> str:
        return f"objective {self.comparison} {self.bound:g}"
