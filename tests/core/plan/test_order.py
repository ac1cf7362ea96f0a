"""The order in which services are launched."""

from __future__ import annotations

import pytest

from compose_core.plan.order import launch_order


def test_a_service_comes_after_all_it_depends_on() -> None:
    """Whatever the order of the file."""
    assert launch_order({"client": ["server"], "server": ["db"], "db": []}) == ("db", "server", "client")


def test_independent_services_keep_the_order_of_the_file() -> None:
    """So that two renders of one file agree."""
    assert launch_order({"b": [], "a": [], "c": ["b"]}) == ("b", "a", "c")


def test_a_circle_is_refused() -> None:
    """The rules of the spec find it first; the planner does not hang on it."""
    with pytest.raises(ValueError, match="a, b wait for each other"):
        launch_order({"a": ["b"], "b": ["a"]})
