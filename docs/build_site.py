"""The documentation as a site: `python -m docs.build_site FOLDER`; every warning, dead link and remote resource is an error."""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.cmd.build import main as sphinx_build

from docs.site_pages import ROOT, staged_pages

HERE = Path(__file__).resolve().parent
VERSION = ROOT / "packages/compose-core/src/compose_core/version.py"
_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself, by the tag and its attribute."""


class _Page(HTMLParser):
    """What a built page defines, links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.update(value for name in ("id", "name") if (value := values.get(name)))
        if tag == "a" and (target := values.get("href")):
            self.links.append(target)
        if tag in _LOADED and (source := values.get(_LOADED[tag])):
            self.loads.append(source)


def build(site: Path) -> None:
    """Write the site; what was there goes.

    Raises: SystemExit: Sphinx warned, or the result has a dead link or asks another server for something.
    """
    shutil.rmtree(site, ignore_errors=True)
    sources = site / "sources"
    for name, text in staged_pages():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text, encoding="utf-8")
    diagrams = HERE / "diagrams"
    if diagrams.is_dir():
        shutil.copytree(diagrams, sources / "diagrams")
    release = str(runpy.run_path(str(VERSION))["__version__"])
    options = ["-W", "--keep-going", "-q", "-b", "html", "-D", f"release={release}", "-D", f"version={release}"]
    places = ["-d", str(site / "doctrees"), "-c", str(HERE / "site"), str(sources), str(site / "html")]
    if sphinx_build([*options, *places]):
        raise SystemExit("the site was made with warnings")
    if troubles := [*dead_links(site / "html"), *remote_resources(site / "html")]:
        raise SystemExit("\n".join(troubles))


def dead_links(html: Path) -> Iterator[str]:
    """Links of the built pages that lead to no page or to no place in it."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in html.rglob("*.html")}
    for path, page in pages.items():
        for target in page.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not there.exists() or (there in pages and anchor and anchor not in pages[there].ids):
                yield f"{path.relative_to(html.resolve())}: the link {target} leads nowhere"


def remote_resources(html: Path) -> Iterator[str]:
    """What a browser that opens a page would fetch from another server: nothing."""
    for path in html.rglob("*.html"):
        for source in _Page(path.read_text(encoding="utf-8")).loads:
            if urlsplit(source).netloc:
                yield f"{path.relative_to(html)}: loads {source}"
    for path in html.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield f"{path.relative_to(html)}: loads something from elsewhere"


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
