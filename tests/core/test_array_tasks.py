"""Slurm's expressions for the tasks of an array."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.array_tasks import array_tasks, expression_of, holds_task, task_count, throttle


@pytest.mark.parametrize(
    ("expression", "tasks"),
    [
        ("2-5%2", [2, 3, 4, 5]),
        ("1,3,7-9", [1, 3, 7, 8, 9]),
        ("0-10:5", [0, 5, 10]),
        ("7", [7]),
        ("1,2,...", [1, 2]),
        ("5-2", []),
        ("", []),
        ("a-b", []),
    ],
)
def test_tasks_of_an_array_expression(expression: str, tasks: list[int]) -> None:
    assert list(array_tasks(expression)) == tasks


def test_a_huge_array_is_walked_only_as_far_as_asked() -> None:
    assert list(islice(array_tasks("0-999999999"), 3)) == [0, 1, 2]
    assert holds_task("0-999999999", 123_456_789)


@given(st.text(alphabet="0123456789-,:%. ", max_size=20), st.integers(0, 200))
def test_looking_for_a_task_agrees_with_walking_through_all(expression: str, task: int) -> None:
    walked = task in set(islice(array_tasks(expression), 300))
    if walked:
        assert holds_task(expression, task)


@given(st.sets(st.integers(0, 300), max_size=60))
def test_tasks_survive_their_expression(tasks: set[int]) -> None:
    """What is written is read back."""
    assert list(array_tasks(expression_of(tasks))) == sorted(tasks)


@pytest.mark.parametrize(
    ("expression", "count", "at_once"), [("0-9%2", 10, 2), ("1,1,3", 2, None), ("5", 1, None), ("0-8:4%", 3, None)]
)
def test_an_array_has_a_size_and_maybe_a_throttle(expression: str, count: int, at_once: int | None) -> None:
    """A task that is named twice runs once."""
    assert (task_count(expression), throttle(expression)) == (count, at_once)
