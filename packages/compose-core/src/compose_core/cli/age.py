"""The value of `--age`."""

from __future__ import annotations

from compose_core.errors import UsageError
from compose_core.units import parse_duration_s


def age_s(text: str) -> int:
    """Seconds of `7` or `7d` (days), `12h`, `1d12h`.

    Raises: UsageError: it is none.
    """
    try:
        return parse_duration_s(f"{text}d" if text.isascii() and text.isdigit() else text)
    except ValueError as error:
        raise UsageError(f"--age: {error}", remedy="7 means seven days.") from error
