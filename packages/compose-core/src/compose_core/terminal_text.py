"""Untrusted text made harmless for a terminal: no escape sequence, control or direction character survives."""

from __future__ import annotations

import re

_SEQUENCES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # CSI, the `?` parameters included
    "|\x1b[\\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS, SOS, PM, APC to their end
    "|\x9b[0-?]*[ -/]*[@-~]"  # CSI as one C1 character
    "|\x1b[ -/]*[0-~]"  # two-character escapes
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""`text` without escape sequences; other control and direction characters as `\xHH` or `\uHHHH`; tab and newline stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(_visible, _SEQUENCES.sub("", text))


def harmless_line(text: str) -> str:
    """One line of output: as `harmless`, and only what a progress bar showed last before each carriage return is over."""
    return harmless(text.rstrip("\r\n").rsplit("\r", 1)[-1])


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
