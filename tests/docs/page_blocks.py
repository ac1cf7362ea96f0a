"""The pages of the repository, and their fenced blocks with what invisible comments say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")])
MARKS = ("before", "compare", "engine", "exit", "file", "folder", "not run", "not run on this page")
"""What a comment before a block may say; docs/README.md explains each."""
_FENCE = re.compile(r"^( *)(`{3,})(.*)$")
_MARK = re.compile(r"^ *<!-- (?P<key>[a-z ]+):[ \v](?P<value>.*?)[ \v]-->$")


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    info: str
    text: str
    marks: Mapping[str, str] = MappingProxyType({})

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Every fenced block of the page; a mark stands on a line of its own above its block, with nothing but marks between."""
    closing, info, start, lines, marks = "", "", 0, list[str](), dict[str, str]()
    for number, line in enumerate(_with_marks_on_one_line(page.read_text(encoding="utf-8")).split("\n"), start=1):
        match = _FENCE.match(line)
        if closing and line.strip() == closing:
            yield Block(page, start, info, "\n".join(lines) + "\n", MappingProxyType(marks))
            closing, marks = "", {}
        elif closing:
            lines.append(line)
        elif match:
            closing, info, start, lines = match[2], match[3].strip(), number, []
        elif mark := _MARK.match(line):
            if mark["key"] in MARKS:
                marks[mark["key"]] = mark["value"].replace("\v", "\n").strip()
        elif line.strip():
            marks = {}
    assert not closing, f"{page}:{start}: the block is not closed"


def _with_marks_on_one_line(text: str) -> str:
    """A mark of several lines as one line, and as many empty ones: the numbers of the lines stay."""

    def joined(mark: re.Match[str]) -> str:
        return mark[0].replace("\n", "\v") + "\n" * mark[0].count("\n")

    return re.sub(r"^<!-- (?:before|file)[^>]*?\n.*?^-->$", joined, text, flags=re.MULTILINE | re.DOTALL)


def reason_of_page(page: Path) -> str:
    """Why no block of the page is run; empty when they are."""
    found = re.search(r"^<!-- not run on this page: (.*?) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
