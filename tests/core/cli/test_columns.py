"""Tables of text."""

from __future__ import annotations

from compose_core.cli.columns import columns_of


def test_columns_stand_below_their_heads_without_blanks_at_line_ends() -> None:
    """The last column is as wide as its text."""
    assert columns_of(["A", "LONG"], [["one", "x"], ["", "y"], ["z", ""]]) == ["A    LONG", "one  x", "     y", "z"]


def test_with_a_width_the_widest_column_is_cut_first() -> None:
    """The others are read whole."""
    lines = columns_of(["JOB", "NAME"], [["1234", "a-very-long-name-of-a-job"]], width=20)
    assert lines == ["JOB   NAME", "1234  a-very-long-n…"]


def test_wide_and_combining_characters_take_the_columns_that_a_terminal_gives_them() -> None:
    """Two and none."""
    lines = columns_of(["A", "B"], [["火山", "x"], ["e\u0301", "y"]])
    assert lines == ["A     B", "火山  x", "e\u0301     y"]


def test_a_cell_is_styled_by_its_whole_text_and_padded_outside_of_the_style() -> None:
    """Colours do not reach into the gap."""
    lines = columns_of(["STATE", "B"], [["OK", "x"]], style=lambda cell, shown: f"<{shown}>" if cell == "OK" else shown)
    assert lines == ["STATE  B", "<OK>     x"]
