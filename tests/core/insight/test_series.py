from __future__ import annotations

import math
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from compose_core.insight.series import Series, squeezed


def test_a_long_run_keeps_its_shape_in_few_points() -> None:
    series = Series(100)
    for at in range(17280):
        series.add(5.0 * at, math.sin(at / 2750) * 50 + 50)
    points = series.points()
    assert 50 <= len(points) <= 100
    assert max(point.highest for point in points) > 99.9
    assert all(abs(point.mean - (math.sin(point.at / 5 / 2750) * 50 + 50)) < 5 for point in points)


@given(st.lists(st.tuples(st.floats(0, 4e9), st.floats(-1e9, 1e9)), max_size=60))
def test_nothing_is_lost_and_nothing_grows(samples: list[tuple[float, float]]) -> None:
    """Times in any order and at any distance."""
    series = Series(8)
    for at, value in samples:
        series.add(at, value)
    assert len(series.points()) <= 8
    assert math.isclose(math.fsum(series._sums), math.fsum(value for _, value in samples), abs_tol=1)
    assert sum(series._weights) == len(samples)


def test_memory_does_not_depend_on_the_number_of_samples() -> None:
    tracemalloc.start()
    series = Series()
    for at in range(20_000):
        series.add(float(at), 1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000


def test_a_stretch_without_samples_stays_empty() -> None:
    series = Series()
    for at in (0.0, 1.0, 99.0):
        series.add(at, at)
    assert squeezed(series.points(), 4, begin=0, end=100) == [0.5, None, None, 99.0]
    assert squeezed((), 2, begin=0, end=1) == [None, None]
