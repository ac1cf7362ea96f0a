"""Which configuration is best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.spec.models import Objective
from compose_core.sweep.ranking import ResultRow, best_row, scaling, standings

LESS = Objective(direction="minimize", metric="loss")
MORE = Objective(direction="maximize", metric="loss")


def row(index: int, value: float | None, key: str | None = None, **fields: Any) -> ResultRow:
    name = key or f"lr={index}"
    variables = dict(part.split("=") for part in name.split(";"))
    fields.setdefault("status", "completed")
    return ResultRow(
        trial_id=f"t{index:03d}", index=index, variables=variables, config_key=name, objective=value, **fields
    )


def test_the_direction_says_what_is_best() -> None:
    rows = [row(0, 3.0), row(1, 1.0), row(2, 2.0)]
    assert [one.trials[0] for one in standings(rows, LESS)] == ["t001", "t002", "t000"]
    assert [one.trials[0] for one in standings(rows, MORE)] == ["t000", "t002", "t001"]
    assert [one.rank for one in standings(rows, MORE)] == [1, 2, 3]
    assert getattr(best_row(rows, LESS), "trial_id", None) == "t001"
    assert getattr(best_row(rows, MORE), "trial_id", None) == "t000"


def test_replicates_are_one_configuration_with_mean_and_deviation() -> None:
    """The deviation is that of a sample."""
    rows = [row(0, 1.0, "lr=1"), row(1, 3.0, "lr=1"), row(2, 2.5, "lr=2"), row(3, None, "lr=2", status="failed")]
    first, second = standings(rows, LESS)
    assert (first.config_key, first.n, first.replicates, first.mean) == ("lr=1", 2, 2, 2.0)
    assert first.std == pytest.approx(2**0.5)
    assert first.best_trial == "t000"
    assert (second.n, second.replicates, second.std) == (1, 2, None)


def test_only_trials_that_ended_well_are_ranked() -> None:
    """The figure of a trial that runs may yet change, that of a failed one is no result."""
    rows = [row(0, 0.1, status="running"), row(1, 0.2, status="failed"), row(2, 0.3)]
    assert [(one.config_key, one.rank) for one in standings(rows, LESS)] == [
        ("lr=2", 1),
        ("lr=0", None),
        ("lr=1", None),
    ]
    assert getattr(best_row(rows, LESS), "trial_id", None) == "t002"
    assert best_row(rows[:2], LESS) is None


def test_equal_means_share_a_rank() -> None:
    assert [one.rank for one in standings([row(0, 1.0), row(1, 1.0), row(2, 2.0)], LESS)] == [1, 1, 3]


@given(st.lists(st.one_of(st.none(), st.floats(-1e300, 1e300)), min_size=1, max_size=12))
def test_every_configuration_has_its_place_once(values: list[float | None]) -> None:
    """Whatever the figures are; the best is at the front."""
    rows = [row(index, value) for index, value in enumerate(values)]
    found = standings(rows, LESS)
    assert sorted(trial for one in found for trial in one.trials) == [one.trial_id for one in rows]
    means = [one.mean for one in found if one.mean is not None]
    assert means == sorted(means)
    assert all(one.mean is None for one in found[len(means) :])


def test_scaling_compares_with_the_smallest_value_of_the_axis() -> None:
    """A figure that is minimized is a time: half of it is a speedup of two."""
    objective = Objective(direction="minimize", metric="t", scaling_axis="nodes")
    rows = [
        row(0, 100.0, "m=a;nodes=1"),
        row(1, 50.0, "m=a;nodes=2"),
        row(2, 40.0, "m=a;nodes=10"),
        row(3, 9.0, "m=b;nodes=2"),
    ]
    first, second = scaling(standings(rows, objective), objective)
    assert first.others == {"m": "a"}
    assert [(point.axis, point.speedup, point.efficiency) for point in first.points] == [
        (1.0, 1.0, 1.0),
        (2.0, 2.0, 1.0),
        (10.0, 2.5, 0.25),
    ]
    assert [(point.axis, point.speedup) for point in second.points] == [(2.0, 1.0)]


def test_scaling_of_a_rate_goes_the_other_way() -> None:
    objective = Objective(direction="maximize", metric="t", scaling_axis="nodes")
    (series,) = scaling(standings([row(0, 10.0, "nodes=1"), row(1, 15.0, "nodes=2")], objective), objective)
    assert [(point.speedup, point.efficiency) for point in series.points] == [(1.0, 1.0), (1.5, 0.75)]


def test_without_an_axis_there_is_no_scaling() -> None:
    assert scaling(standings([row(0, 10.0)], LESS), LESS) == ()


def test_a_figure_of_zero_gives_no_speedup() -> None:
    """A ratio with it says nothing."""
    objective = Objective(direction="minimize", metric="t", scaling_axis="nodes")
    (series,) = scaling(standings([row(0, 0.0, "nodes=1"), row(1, 2.0, "nodes=2")], objective), objective)
    assert [point.speedup for point in series.points] == [None, None]


def test_values_that_make_two_keys_read_the_same_stay_two_configurations() -> None:
    """A value may hold what the key is joined with."""
    one = ResultRow(
        trial_id="t000", index=0, variables={"a": "1;b=2", "b": "3"}, config_key="a=1;b=2;b=3", status="completed",
        objective=1.0,
    )  # fmt: skip
    two = replace(one, trial_id="t001", index=1, variables={"a": "1", "b": "2;b=3"}, objective=3.0)
    assert [(each.rank, each.mean, each.replicates) for each in standings([one, two], LESS)] == [
        (1, 1.0, 1),
        (2, 3.0, 1),
    ]
