"""Where the log of a job lies: below the log folder, by rule and wildcards, as Snakemake suggests it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

_LONGEST = 200
"""Bytes of one part of the path; file systems allow 255, and the attempt has to fit, too."""


def job_log(job: Any, folder: Path) -> Path:
    """The log of this attempt: `<folder>/<rule>/<wildcards>.<attempt>.log`."""
    suggested = str(job.logfile_suggestion(".")).removeprefix("./").removesuffix(".log")
    parts = [_short(part) for part in suggested.split("/") if part not in ("", ".", "..")]
    *folders, name = parts or ["job"]
    return folder.joinpath(*folders, f"{name}.{int(job.attempt)}.log")


def _short(part: str) -> str:
    """A part that is too long keeps its beginning, and a digest that tells it from others."""
    encoded = part.encode("utf-8", "surrogateescape")
    if len(encoded) <= _LONGEST:
        return part.replace("\0", "_")
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: _LONGEST - 17].decode("utf-8", "ignore") + "~" + digest
