"""Untrusted text made harmless for a terminal: what a program, a file name or a scheduler says, as visible characters."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, private modes
    r"|\x9b[0-?]*[ -/]*[@-~]"  # the same with its 8-bit introducer
    r"|(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, PM, APC, SOS
    r"|\x1b[ -/]*[0-~]?"  # two-character escapes, and one that was cut
)
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def terminal_text(text: str, *, newlines: bool = False) -> str:
    r"""The text without escape sequences; other invisible or direction-changing characters are shown as `\x07`, `\u202e`.

    A newline is shown as `\n` unless `newlines` keeps it; a tab stays; a carriage return before a newline goes.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    text = _HIDDEN.sub(_shown, text)
    return text if newlines else text.replace("\n", "\\n")


def _shown(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
