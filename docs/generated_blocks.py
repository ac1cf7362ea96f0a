"""Pages that are written by hand around parts that a program writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_BLOCK = re.compile(
    r"(?<=<!-- generated: )(?P<name>[a-z0-9 -]+?)(?P<open> -->\n).*?(?=<!-- end of generated -->)", re.DOTALL
)


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """The page with each block between `<!-- generated: NAME -->` and `<!-- end of generated -->` written anew.

    Raises: ValueError: the page lacks a block, or has one that nobody writes.
    """
    places = [match["name"] for match in _BLOCK.finditer(page)]
    if sorted(places) != sorted(blocks):
        raise ValueError(f"blocks of the page: {sorted(places)}; blocks that are written: {sorted(blocks)}")
    return _BLOCK.sub(lambda match: f"{match['name']}{match['open']}\n{blocks[match['name']].strip()}\n\n", page)


def rewrite(path: Path, blocks: Mapping[str, str]) -> None:
    """Bring the blocks of a page up to date."""
    path.write_text(filled(path.read_text(encoding="utf-8"), blocks), encoding="utf-8")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def slug(heading: str) -> str:
    """The anchor of a heading, as the usual renderers make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")
