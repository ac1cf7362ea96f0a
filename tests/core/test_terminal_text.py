"""No text from outside reaches the terminal as a command."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.terminal_text import terminal_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[?1049h\x1b[2Jgone", "gone"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cGFzdGU=\x07", ""),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x9b31mred", "red"),
        ("\x1b]0;never ended", ""),
        ("\x1b", ""),
        ("a\x07b\x00c\x7f", "a\\x07b\\x00c\\x7f"),
        ("over\rwrite", "over\\x0dwrite"),
        ("two\nlines", "two\\nlines"),
        ("dos\r\n", "dos\\n"),
        ("tab\tstays", "tab\tstays"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("grün 漢字 🚀", "grün 漢字 🚀"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Escape sequences go, other invisible characters become visible."""
    assert terminal_text(text) == shown


def test_newlines_can_be_kept() -> None:
    """For blocks of text, such as a program's last output."""
    assert terminal_text("a\r\nb\n", newlines=True) == "a\nb\n"


@given(st.text(alphabet=st.characters(), max_size=60) | st.text("\x1b[]0;?m\x07\\P\x9b\x9da1\u202e", max_size=40))
def test_nothing_that_controls_is_left(text: str) -> None:
    """Of any text; a second pass changes nothing."""
    shown = terminal_text(text)
    assert all(character == "\t" or unicodedata.category(character) != "Cc" for character in shown)
    assert not any(character in shown for character in "\u202a\u202e\u2066\u2069\u200e")
    shown.encode()
    assert terminal_text(shown) == shown
