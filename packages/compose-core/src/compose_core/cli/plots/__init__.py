"""Figures for people, as an HTML page or a picture: the only place that knows plotly and matplotlib."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from compose_core.errors import EnvironmentProblem, UsageError

LIBRARIES = {".html": "plotly", ".png": "matplotlib"}


def drawer_for(plot: Path) -> str:
    """`.html` or `.png`, after a look whether that can be drawn here.

    Raises: UsageError: another kind of file.  EnvironmentProblem: the library is not installed.
    """
    kind = plot.suffix.lower()
    if kind not in LIBRARIES:
        raise UsageError(
            f"{plot.name} is neither an .html page nor a .png picture",
            remedy="Name a file that ends in .html or .png.",
            code="plot-kind",
        )
    library(LIBRARIES[kind])
    return kind


def library(name: str) -> Any:
    """The module of a drawing library, `plotly` or `matplotlib` or one below them.

    Raises: EnvironmentProblem: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        base = name.partition(".")[0]
        raise EnvironmentProblem(
            f"drawing needs {base}, which is not installed here",
            remedy="pip install 'compose-core[plot]'",
            code="plot-library",
        ) from error
