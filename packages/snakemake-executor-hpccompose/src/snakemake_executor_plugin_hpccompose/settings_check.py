"""What is wrong with the settings of a run, before anything is submitted."""

from __future__ import annotations

import math
import re
from typing import Any

_LEAST = {
    "pack": 1,
    "array_limit": 1,
    "array_throttle": 0,
    "batch_window": 0,
    "poll_seconds": 1,
    "services_timeout": 1,
}
_PREFIX = re.compile(r"[A-Za-z0-9_-]*")


def wrong_settings(settings: Any) -> list[str]:
    """A sentence for each mistake; settings that are wrong are never quietly replaced by others."""
    wrong = []
    for name, least in _LEAST.items():
        value = float(getattr(settings, name))
        if not math.isfinite(value) or value < least:
            wrong.append(f"{option(name)} is {value:g}, but has to be {least} or more.")
    if not _PREFIX.fullmatch(settings.jobname_prefix or ""):
        shown = repr(settings.jobname_prefix)
        wrong.append(f"{option('jobname_prefix')} is {shown}, but may have letters, digits, '-' and '_' only.")
    if settings.requeue and settings.no_requeue:
        wrong.append(f"{option('requeue')} and {option('no_requeue')} exclude each other: keep one.")
    return wrong


def option(name: str) -> str:
    """As it is written on the command line."""
    return f"--hpccompose-{name.replace('_', '-')}"
