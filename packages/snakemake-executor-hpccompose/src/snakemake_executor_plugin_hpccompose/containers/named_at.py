"""Where a workflow names an image: Snakemake fetches images before it knows rules, so that its error has no place."""

from __future__ import annotations

from pathlib import Path

_PATTERNS = ("Snakefile", "workflow/Snakefile", "*.smk", "*/*.smk", "*/*/*.smk")
_MOST_BYTES = 2_000_000


def named_at(url: str, workdir: Path | None) -> str:
    """`FILE:LINE` of the first line that has the whole URL; empty: it stands in none of the usual files, or is put together there."""
    if workdir is None:
        return ""
    for pattern in _PATTERNS:
        for path in sorted(workdir.glob(pattern)):
            if line := _line_of(url, path):
                return f"{path.relative_to(workdir)}:{line}"
    return ""


def _line_of(url: str, path: Path) -> int:
    """0: not there."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size < _MOST_BYTES else ""
    except OSError:
        return 0
    quoted = tuple(f"{quote}{url}{quote}" for quote in "\"'")
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if any(word in line for word in quoted)), 0)
