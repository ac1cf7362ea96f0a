"""A path of the compose file as the node finds it."""

from __future__ import annotations

import posixpath
from typing import overload


@overload
def absolute_path(path: str, project_dir: str, home: str) -> str: ...


@overload
def absolute_path(path: None, project_dir: str, home: str) -> None: ...


def absolute_path(path: str | None, project_dir: str, home: str) -> str | None:
    """`path` from the compose file's folder on, `~` as the home folder; None stays None."""
    if path is None:
        return None
    expanded = home + path[1:] if path == "~" or path.startswith("~/") else path
    return posixpath.normpath(posixpath.join(project_dir, expanded))
