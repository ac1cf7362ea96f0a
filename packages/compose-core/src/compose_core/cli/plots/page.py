"""One HTML page with plotly figures that needs nothing from the network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compose_core.cli.output import write_private
from compose_core.cli.plots import library

_STYLE = """
body { font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 1500px; padding: 0 1rem; color: #222; }
h1 { font-size: 1.25rem; font-weight: 600; }
p { color: #555; max-width: 60rem; }
.figure { margin-bottom: 2rem; }
"""


def page_text(title: str, figures: Sequence[Any], *, above: str = "", below: str = "") -> str:
    """The page: plotly figures one under the other; `above` and `below` are HTML of the caller's, already escaped.

    Raises: EnvironmentProblem: plotly is not installed.
    """
    plotly_io = library("plotly.io")
    parts = [
        plotly_io.to_html(
            figure,
            include_plotlyjs=number == 0,
            full_html=False,
            default_width="100%",
            config={"displaylogo": False, "responsive": True},
        )
        for number, figure in enumerate(figures)
    ]
    shown = "\n".join(f'<div class="figure">{part}</div>' for part in parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{plain(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{plain(title)}</h1>\n{above}\n{shown}\n{below}\n</body>\n</html>\n"
    )


def write_page(path: Path, title: str, figures: Sequence[Any], *, above: str = "", below: str = "") -> None:
    """`page_text` in a file that nobody else can read.

    Raises: EnvironmentProblem: plotly is not installed, or the file cannot be written.
    """
    write_private(path, page_text(title, figures, above=above, below=below))


def plain(text: str) -> str:
    """A text for plotly, which takes `<b>`, `<a href>` and the like in titles and names for markup."""
    return html.escape("".join(character if character.isprintable() else "\ufffd" for character in text), quote=False)
