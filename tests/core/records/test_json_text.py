"""JSON that somebody else may have touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.records.atomic import replace_file
from compose_core.records.json_text import json_bytes, json_object, parse_json_lines, read_json_lines
from compose_core.records.our_path import OurPath


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"a": 1} trailing',
    ],
)
def test_what_is_no_object_is_a_value_error(data: bytes) -> None:
    """Never a crash."""
    with pytest.raises(ValueError, match=r".+"):
        json_object(data)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text())))
def test_what_is_written_can_be_read(value: dict[str, object]) -> None:
    """On one line."""
    data = json_bytes(value)
    assert json_object(data) == value
    assert data.count(b"\n") == 1
    assert data.isascii()


def test_nan_is_not_written() -> None:
    """No other program could read it."""
    with pytest.raises(ValueError, match="JSON compliant"):
        json_bytes({"a": float("nan")})


def test_a_torn_tail_is_kept_out() -> None:
    """Its writer is at work."""
    lines = parse_json_lines(b'{"a":1}\n{"a":2}\n{"a"')
    assert [row["a"] for row in lines.rows] == [1, 2]
    assert (lines.bad_lines, lines.torn_tail) == (0, True)


def test_bad_lines_are_counted_and_skipped() -> None:
    """A block of zeroes after a crash spoils one line."""
    lines = parse_json_lines(b'{"a":1}\n\0\0\0\0{"a":2}\n[]\n\n{"a":3}\n')
    assert [row["a"] for row in lines.rows] == [1, 3]
    assert (lines.bad_lines, lines.torn_tail) == (2, False)


def test_only_the_end_of_a_large_file_is_read(tmp_path: Path) -> None:
    """The line that the limit cuts is left out."""
    path = OurPath(tmp_path) / "f"
    replace_file(path, b'{"a":1}\n' * 100 + b'{"a":2}\n')
    lines = read_json_lines(path, max_bytes=20)
    assert [row["a"] for row in lines.rows] == [1, 2]
    assert (lines.cut, lines.bad_lines) == (True, 0)


def test_no_file_is_no_lines(tmp_path: Path) -> None:
    """Nothing happened yet."""
    assert read_json_lines(OurPath(tmp_path) / "f").rows == ()


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_of_some_kind(data: bytes) -> None:
    """Reading never fails."""
    lines = parse_json_lines(data)
    assert lines.bad_lines >= 0
