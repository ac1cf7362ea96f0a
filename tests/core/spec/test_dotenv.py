"""`.env` files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.spec.dotenv import DotenvEntry, DotenvFault, read_dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  export A = 1  ", "1"),
        ("A=", ""),
        ("A=a b", "a b"),
        ("A=a # comment", "a"),
        ("A=#comment", ""),
        ("A=a#b", "a#b"),
        ("A='a # b' # c", "a # b"),
        ("A='\\n$X'", "\\n$X"),
        ('A="a\\n\\"b\\"\\\\"', 'a\n"b"\\'),
        ('A="$X"', "$X"),
        ("A=x=y", "x=y"),
        ("A=\u2028x", "\u2028x"),
    ],
)
def test_a_line_gives_its_value(line: str, value: str) -> None:
    assert list(read_dotenv(line)) == [DotenvEntry("A", value, 1)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("A", "env-syntax"),
        ("=x", "env-syntax"),
        ("A-B=x", "env-name"),
        ("1A=x", "env-name"),
        ("A='x", "env-syntax"),
        ('A="x" y', "env-syntax"),
        ("A=\0", "control-character"),
    ],
)
def test_a_line_that_is_no_variable_is_a_fault(line: str, code: str) -> None:
    (fault,) = read_dotenv("# comment\n\n" + line + "\n")
    assert isinstance(fault, DotenvFault)
    assert (fault.line, fault.code) == (3, code)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_every_system_are_counted(end: str) -> None:
    assert [entry.line for entry in read_dotenv(end.join(["A=1", "", "B=2", ""]))] == [1, 3]


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    assert all(isinstance(entry, DotenvEntry | DotenvFault) for entry in read_dotenv(text))
