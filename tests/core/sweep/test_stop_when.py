"""When a sweep has found enough."""

from __future__ import annotations

import pytest

from compose_core.errors import UsageError
from compose_core.sweep.stop_when import StopWhen


@pytest.mark.parametrize(
    ("text", "met", "not_met"),
    [
        ("objective < 0.05", 0.04, 0.05),
        ("objective<=5e-2", 0.05, 0.06),
        (" objective > -1 ", 0.0, -1.0),
        ("objective >= 90", 90.0, 89.9),
    ],
)
def test_a_condition_is_met_on_one_side_of_its_bound(text: str, met: float, not_met: float) -> None:
    condition = StopWhen.parse(text)
    assert condition.is_met_by(met)
    assert not condition.is_met_by(not_met)


@pytest.mark.parametrize("text", ["", "objective", "loss < 1", "objective < x", "objective == 1", "objective < 1; rm"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        StopWhen.parse(text)
    assert "objective < 0.05" in caught.value.remedy
