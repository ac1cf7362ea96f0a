"""Which trials are hopeless."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from compose_core.spec.models import Objective, Prune
from compose_core.sweep.pruning import Curve, hopeless

LESS = Objective(direction="minimize", metric="loss")
MORE = Objective(direction="maximize", metric="loss")
MEDIAN = Prune(method="median", min_steps=3)
ASHA = Prune(method="asha", min_steps=2, reduction_factor=2)


def curve(*values: float) -> Curve:
    return Curve.of([(float(step), value) for step, value in enumerate(values, start=1)])


def names(found: tuple[object, ...]) -> list[str]:
    return [getattr(one, "trial_id", "") for one in found]


def test_a_trial_worse_than_the_median_of_the_others_is_ended() -> None:
    """Its best figure is compared with their running means at the same step."""
    curves = {f"t{level}": curve(*[float(level)] * 6) for level in range(1, 6)}
    curves["bad"] = curve(9.0, 8.0, 7.0)
    (decision,) = hopeless(curves, ["t1", "bad"], MEDIAN, LESS)
    assert (decision.trial_id, decision.step, decision.value, decision.threshold) == ("bad", 3.0, 7.0, 3.0)
    assert decision.compared_with == 5
    assert str(decision) == "bad: 7 at step 3 is worse than 3 (median of 5 other trials)"


def test_what_is_better_goes_by_the_direction() -> None:
    curves = {f"t{level}": curve(*[float(level)] * 6) for level in range(1, 6)}
    curves["high"] = curve(9.0, 9.0, 9.0)
    assert hopeless(curves, ["high"], MEDIAN, MORE) == ()
    assert names(hopeless(curves, ["t1"], MEDIAN, MORE)) == ["t1"]


def test_a_young_trial_and_a_small_sweep_are_left_alone() -> None:
    """Before `min_steps`, and while fewer than four others have come as far."""
    curves = {f"t{level}": curve(*[float(level)] * 6) for level in range(1, 6)}
    assert hopeless({**curves, "young": curve(99.0, 99.0)}, ["young"], MEDIAN, LESS) == ()
    few = {name: curves[name] for name in ("t1", "t2", "t3")}
    assert hopeless({**few, "bad": curve(99.0, 99.0, 99.0)}, ["bad"], MEDIAN, LESS) == ()
    short = {f"s{level}": curve(float(level), float(level)) for level in range(5)}
    assert hopeless({**short, "far": curve(99.0, 99.0, 99.0)}, ["far"], MEDIAN, LESS) == ()


def test_a_trial_that_diverged_is_the_worst() -> None:
    curves = {f"t{level}": curve(*[float(level)] * 6) for level in range(1, 6)}
    curves["nan"] = curve(math.nan, math.nan, math.inf)
    (decision,) = hopeless(curves, ["nan"], MEDIAN, LESS)
    assert math.isnan(decision.value)
    assert decision.as_json()["value"] is None


def test_halving_keeps_the_best_at_each_rung() -> None:
    """Of four at the rung of four points, two go on; rungs lie at 2, 4, 8 …"""
    curves = {"a": curve(1, 1, 1, 1), "b": curve(2, 2, 2, 2), "c": curve(3, 3, 3, 3), "d": curve(4, 4, 4, 4)}
    found = hopeless(curves, list(curves), ASHA, LESS)
    assert names(found) == ["c", "d"]
    assert {one.threshold for one in found} == {2.0}
    assert names(hopeless(curves, list(curves), ASHA, MORE)) == ["a", "b"]


def test_at_a_rung_a_late_improvement_is_not_yet_seen() -> None:
    """All are judged by what they had there."""
    curves = {"a": curve(1, 1), "late": curve(5, 5, 0.1)}
    assert names(hopeless(curves, ["late"], ASHA, LESS)) == ["late"]


def test_a_trial_that_outlives_the_others_is_judged_where_they_still_were() -> None:
    """They ended well after a few steps, and this one goes on for ever."""
    curves = {f"t{level}": curve(*[float(level)] * 6) for level in range(1, 6)}
    (decision,) = hopeless({**curves, "long": curve(*[9.0] * 90)}, ["long"], MEDIAN, LESS)
    assert (decision.step, decision.threshold) == (6.0, 3.0)
    two = {"a": curve(1, 1), "long": curve(*[9.0] * 90)}
    assert [one.step for one in hopeless(two, ["long"], ASHA, LESS)] == [2.0]


def test_the_first_at_a_rung_goes_on() -> None:
    assert hopeless({"a": curve(5, 5)}, ["a"], ASHA, LESS) == ()
    assert hopeless({"a": curve(5)}, ["a"], ASHA, LESS) == ()


@given(
    curves=st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8).map(lambda values: curve(*values)),
    ),
    method=st.sampled_from(["median", "asha"]),
    minimize=st.booleans(),
)
def test_never_all_are_ended(curves: dict[str, Curve], method: str, minimize: bool) -> None:
    """Whatever the curves are, the best of those that are compared goes on."""
    rule = Prune(method=method, min_steps=1, reduction_factor=2)  # type: ignore[arg-type]
    found = hopeless(curves, list(curves), rule, LESS if minimize else MORE)
    started = [name for name, one in curves.items() if one.steps]
    assert len(found) < max(1, len(started))


def test_the_last_figure_of_a_step_counts_and_steps_are_put_in_order() -> None:
    assert Curve.of([(2.0, 5.0), (1.0, 1.0), (2.0, 6.0)]) == Curve((1.0, 2.0), (1.0, 6.0))


def test_equal_trials_do_not_end_each_other() -> None:
    """The mean of equal figures is that figure, however they are rounded."""
    curves = {f"t{number}": curve(*[0.1] * 60) for number in range(6)}
    assert hopeless(curves, list(curves), MEDIAN, LESS) == ()
    assert hopeless(curves, list(curves), MEDIAN, MORE) == ()


def test_figures_beyond_what_can_be_added_up_are_no_error() -> None:
    """Each is finite, their sum is not."""
    curves = {f"t{number}": curve(*[1.7e308] * 3) for number in range(6)}
    assert hopeless(curves, ["t0"], MEDIAN, LESS) == ()
