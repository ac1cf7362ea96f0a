"""The last lines of a log, as they are shown in an error. Standard library only: jobs import it, too."""

from __future__ import annotations

import re
from pathlib import Path

_BYTES = 32_000
_LINES = 15
_LONGEST = 400
_WHEN = re.compile(r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4}\]")
_REPORT = re.compile(r"Error in (rule|group) .*:")


def tail(path: Path | None) -> str:
    """The last lines, indented, below the name of the file; empty when there is nothing to show."""
    shown = last_lines(path) if path is not None else []
    return f"Last lines of {path}:\n" + "\n".join(f"    {line}" for line in shown) if shown else ""


def last_lines(path: Path) -> list[str]:
    """The last lines that say something, without control characters: what the rule said, not what its inner Snakemake said of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _BYTES))
            text = file.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    said = [line for line in map(_plain, text.splitlines()) if line.strip()]
    return _before_report(said)[-_LINES:]


def _before_report(lines: list[str]) -> list[str]:
    """Without Snakemake's own report on the failure, a dozen lines that the user sees anyway."""
    for at in reversed(range(1, len(lines))):
        if _REPORT.fullmatch(lines[at]) and _WHEN.fullmatch(lines[at - 1]):
            return lines[: at - 1] or lines
    return lines


def _plain(line: str) -> str:
    plain = "".join(c if c.isprintable() or c == "\t" else "?" for c in line[: _LONGEST + 1])
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
