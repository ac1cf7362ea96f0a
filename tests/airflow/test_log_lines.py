"""What a job writes, in the log of its task."""

from __future__ import annotations

import pytest

from airflow_provider_hpccompose.log_stream import printable

pytestmark = pytest.mark.adapters


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b2J\x9d0;title\x9c", "2J0;title"),  # the same in one byte
        ("\x07\x08\x7f", ""),
        ("pay \u202e001\u202c now \u2066x\u2069", "pay 001 now x"),
        ("one\u2028two", "onetwo"),
        ("tab\tumlaut ü, ẞ, 漢字, 🙂", "tab\tumlaut ü, ẞ, 漢字, 🙂"),
    ],
)
def test_nothing_in_a_line_moves_a_cursor_or_turns_the_text(text: str, shown: str) -> None:
    """Whoever reads the log may read it in a terminal."""
    assert printable(text) == shown
