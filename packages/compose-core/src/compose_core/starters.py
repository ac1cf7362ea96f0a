"""The examples as beginnings of files of one's own: what there is, what it shows, and a copy with another name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

COMPOSE_FILE = "compose.yaml"
_LARGEST = 1024 * 1024
_NOT_OURS = frozenset({"models", "results", "__pycache__"})
"""Folders that somebody put beside an example, or that a run left there."""
_NAME_LINE = re.compile(r"^name:.*$", re.MULTILINE)
_SLURM_LINE = re.compile(r"^x-slurm:[ \t]*(?:#.*)?$", re.MULTILINE)
_CACHE_LINE = re.compile(r"^(  cache_dir:).*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Starter:
    """One example: a folder with a compose file and what it needs beside it."""

    name: str
    folder: Path

    @property
    def text(self) -> str:
        """Its compose file."""
        return (self.folder / COMPOSE_FILE).read_text("utf-8")

    @property
    def description(self) -> str:
        """The comment at its head: what it is, what it shows, when to start from it."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                break
            lines.append(line.removeprefix("#").strip())
        return "\n".join(lines)

    @property
    def title(self) -> str:
        """The first line of that."""
        return self.description.partition("\n")[0]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The other files by their paths below the folder; nothing that a run leaves, and nothing large."""
        for path in sorted(self.folder.rglob("*")):
            below = path.relative_to(self.folder)
            is_ours = not any(part.startswith(".") or part in _NOT_OURS for part in below.parts)
            if not is_ours or str(below) == COMPOSE_FILE or path.name.startswith("slurm-"):
                continue
            if path.is_file() and path.stat().st_size <= _LARGEST:
                yield str(below), path.read_bytes()


def starters() -> tuple[Starter, ...]:
    """All of them, by name."""
    root = Path(str(resources.files("compose_core"))) / "templates"
    folders = sorted(path for path in root.iterdir() if (path / COMPOSE_FILE).is_file()) if root.is_dir() else ()
    return tuple(Starter(name=folder.name, folder=folder) for folder in folders)


def adapted(text: str, *, name: str | None, cache_dir: str | None) -> str:
    """The compose file with another name and image cache; its comments stay."""
    if name is not None:
        line = f"name: {json.dumps(name)}" if not re.fullmatch(r"[A-Za-z][\w.-]*", name, re.ASCII) else f"name: {name}"
        text = _NAME_LINE.sub(lambda _: line, text, count=1)
    if cache_dir is not None:
        value = json.dumps(cache_dir, ensure_ascii=False)
        if _CACHE_LINE.search(text):
            return _CACHE_LINE.sub(lambda match: f"{match[1]} {value}", text, count=1)
        text = _SLURM_LINE.sub(lambda match: f"{match[0]}\n  cache_dir: {value}", text, count=1)
    return text
