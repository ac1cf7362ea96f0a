"""The names of nodes that Slurm wrote in its short form."""

from __future__ import annotations

import re
from functools import lru_cache

_LIMIT = 100_000
_NAME = re.compile(r"(?:[^\[\],]|\[[^\[\]]*\])+")
_LIST = re.compile(rf"{_NAME.pattern}(?:,{_NAME.pattern})*")
_RANGES = re.compile(r"\[([0-9,-]+)\]")


@lru_cache(maxsize=256)
def node_names(nodelist: str) -> tuple[str, ...]:
    """The names that `node[1-3,07],login` stands for; empty when it cannot be read.  Source: scontrol(1), show hostnames."""
    if not _LIST.fullmatch(nodelist):
        return ()
    todo = _NAME.findall(nodelist)[::-1]
    names: list[str] = []
    while todo and len(names) + len(todo) <= _LIMIT:
        name = todo.pop()
        found = _RANGES.search(name)
        if found is None:
            names.append(name)
            continue
        filled = _filled(name[: found.start()], found[1], name[found.end() :])
        if filled is None:
            return ()
        todo += filled[::-1]
    return () if todo or any("[" in name for name in names) else tuple(names)


def _filled(before: str, ranges: str, after: str) -> list[str] | None:
    names: list[str] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if not (first.isdigit() and last.isdigit()) or int(last) - int(first) + len(names) > _LIMIT:
            return None
        names += [f"{before}{str(number).zfill(len(first))}{after}" for number in range(int(first), int(last) + 1)]
    return names
