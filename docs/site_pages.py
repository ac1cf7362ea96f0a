"""The pages of the site as Sphinx reads them: those of docs/, those at the top of the repository, and one for each example."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from docs.navigation import NAVIGATION, OF_THE_PROJECT

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
_FENCED = re.compile(r"^(?P<fence>`{3,}).*?^(?P=fence)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?P<label>[^\[\]]*)\]\((?P<target>(?!https?:|mailto:)[^)\s]+)\)")
_COMMENT = re.compile(r"^ *<!--.*?-->\n?", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".yaml": "yaml", ".py": "python", ".sh": "bash", ".json": "json", ".sql": "sql", ".toml": "toml"}


def staged_pages() -> Iterator[tuple[str, str]]:
    """Path of each page within the site's sources, and its text."""
    yield "index.md", _index()
    for page in sorted((ROOT / "docs").glob("*.md")):
        if page.name != "README.md":
            yield page.name, site_text(page)
    for name, called in OF_THE_PROJECT.items():
        yield f"{called}.md", site_text(ROOT / f"{name}.md")
    for name in example_names():
        yield f"examples/{name}.md", _example(EXAMPLES / name)


def example_names() -> list[str]:
    """The folders of examples/."""
    return sorted(folder.name for folder in EXAMPLES.iterdir() if any(_files_of(folder)))


def site_text(page: Path) -> str:
    """The page without its invisible comments, and with links that lead to pages of the site."""
    parts, at = [], 0
    text = page.read_text(encoding="utf-8")
    for block in _FENCED.finditer(text):
        parts += [_prose(text[at : block.start()], page), block[0]]
        at = block.end()
    return "".join([*parts, _prose(text[at:], page)])


def _prose(text: str, page: Path) -> str:
    return _LINK.sub(lambda link: _link(link["label"], link["target"], page), _COMMENT.sub("", text))


def _link(label: str, target: str, page: Path) -> str:
    """The link as it leads within the site; what is no page of the site keeps its words alone."""
    path, hash_mark, anchor = target.partition("#")
    if not path:
        return f"[{label}]({target})"
    there = Path(os.path.normpath(page.parent / path))
    called = _page_of(there)
    return f"[{label}]({called}{hash_mark}{anchor})" if called else label


def _page_of(there: Path) -> str:
    if there.parent == ROOT / "docs" and there.suffix in (".md", ".svg"):
        return "index.md" if there.name == "README.md" else there.name
    if there.parent == ROOT and there.stem in OF_THE_PROJECT:
        return f"{OF_THE_PROJECT[there.stem]}.md"
    if there.is_relative_to(EXAMPLES):
        within = there.relative_to(EXAMPLES).parts
        return f"examples/{within[0]}.md" if within else "examples.md"
    if there.is_relative_to(ROOT / "docs"):
        return there.relative_to(ROOT / "docs").as_posix()
    return ""


def _index() -> str:
    trees = [_toctree(heading, list(pages)) for heading, pages in NAVIGATION.items()]
    project = _toctree("The project", list(OF_THE_PROJECT.values()))
    return "\n".join([site_text(ROOT / "docs/README.md"), *trees, project])


def _toctree(caption: str, pages: list[str], *options: str) -> str:
    lines = [
        "```{toctree}",
        ":hidden:",
        *([f":caption: {caption}"] if caption else []),
        *options,
        "",
        *pages,
        "```",
        "",
    ]
    return "\n".join(lines)


def _example(folder: Path) -> str:
    """A page with every file of the example, the compose file first."""
    files = sorted(_files_of(folder), key=lambda path: (path.name != "compose.yaml", path.as_posix()))
    parts = [f"# {folder.name}", f"The files of `examples/{folder.name}/`; back to [all examples](../examples.md)."]
    for path in files:
        text = path.read_text(encoding="utf-8").rstrip()
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
        parts += [
            f"## {path.relative_to(folder).as_posix()}",
            f"{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n{fence}",
        ]
    return "---\norphan: true\n---\n\n" + "\n\n".join(parts) + "\n"


def _files_of(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*") if folder.is_dir() else ():
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part.startswith((".hpc", "slurm-")) for part in inside):
            yield path
