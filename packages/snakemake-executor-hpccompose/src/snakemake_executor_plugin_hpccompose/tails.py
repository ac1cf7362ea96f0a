"""The last lines of a log, as they are shown in an error."""

from __future__ import annotations

from pathlib import Path

_BYTES = 4000
_LINES = 15


def tail(path: Path | None) -> str:
    """The last lines, indented, below the name of the file; empty when there is nothing to show."""
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _BYTES))
            text = file.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = ["".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in text.splitlines()]
    shown = [line for line in lines if line.strip()][-_LINES:]
    return f"Last lines of {path}:\n" + "\n".join(f"    {line}" for line in shown) if shown else ""
