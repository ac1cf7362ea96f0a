"""Tokens sort by time and never come twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.records.token import new_token, parse_token, token_time

TIMES = st.floats(min_value=0, max_value=2**47 / 1000, allow_nan=False)
RANDOM = st.binary(min_size=10, max_size=10)


@given(TIMES, RANDOM)
def test_a_token_can_be_parsed_and_tells_its_time(at: float, random_bytes: bytes) -> None:
    """To the millisecond."""
    token = new_token(at, random_bytes)
    assert len(parse_token(token)) == 26
    assert abs(token_time(token) - at) <= 0.001


@given(TIMES, TIMES, RANDOM)
def test_tokens_sort_by_time(first: float, second: float, random_bytes: bytes) -> None:
    """As text."""
    if int(first * 1000) < int(second * 1000):
        assert new_token(first, random_bytes) < new_token(second, random_bytes)


def test_a_known_token() -> None:
    """The largest and the smallest there are."""
    assert new_token(0, bytes(10)) == "0" * 26
    assert new_token((2**48 - 1) / 1000, b"\xff" * 10) == "7" + "Z" * 25


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "U", "0" * 25 + "a", "../" + "0" * 23]
)
def test_what_is_no_token(text: str) -> None:
    """It becomes part of a path, so nothing else may pass."""
    with pytest.raises(ValueError, match="token"):
        parse_token(text)


@pytest.mark.parametrize(("at", "random_bytes"), [(-1.0, bytes(10)), (0.0, bytes(9)), (0.0, bytes(11))])
def test_a_token_needs_a_time_and_ten_random_bytes(at: float, random_bytes: bytes) -> None:
    """Less randomness would let tokens meet."""
    with pytest.raises(ValueError, match="10 random bytes"):
        new_token(at, random_bytes)
