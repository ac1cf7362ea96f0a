"""Where the log of a job lies: below the log folder, by rule and wildcards, as Snakemake suggests it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

_DAY_S = 86400.0
_LONGEST = 200
"""Bytes of one part of the path; file systems allow 255, and the attempt has to fit, too."""


def job_log(job: Any, folder: Path) -> Path:
    """The log of this attempt: `<folder>/<rule>/<wildcards>.<attempt>.log`."""
    suggested = str(job.logfile_suggestion(".")).removeprefix("./").removesuffix(".log")
    parts = [_short(part) for part in suggested.split("/") if part not in ("", ".", "..")]
    *folders, name = parts or ["job"]
    return folder.joinpath(*folders, f"{name}.{int(job.attempt)}.log")


def remove_log(path: Path) -> None:
    """The log goes, and its folder when it was the last one there; one that cannot go is only litter."""
    try:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
    except OSError:
        pass  # other logs lie there


def remove_old_logs(folder: Path, *, days: int, now: float) -> int:
    """How many logs went that nobody wrote to for so many days; 0 days or fewer: none."""
    if days <= 0:
        return 0
    removed = 0
    for path in list(folder.rglob("*.log")):
        try:
            is_old = path.is_file() and not path.is_symlink() and now - path.stat().st_mtime > days * _DAY_S
        except OSError:
            continue  # somebody else was faster
        if is_old:
            remove_log(path)
            removed += 1
    return removed


def _short(part: str) -> str:
    """A part that is too long keeps its beginning, and a digest that tells it from others."""
    encoded = part.encode("utf-8", "surrogateescape")
    if len(encoded) <= _LONGEST:
        return part.replace("\0", "_")
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: _LONGEST - 17].decode("utf-8", "ignore") + "~" + digest
