"""Figures in the words of Slurm's accounting: CPU times, memory sizes, lists of trackable resources.

Source: sacct(1), TotalCPU, MaxRSS, TRES; sstat(1), TRESUsageInTot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

_CPU_TIME = re.compile(r"(?:(?:([0-9]{1,9})-)?([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_FIGURE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)([KMGTPE]?)[nc?]?", re.IGNORECASE)
_SCALE = {letter: 1024.0**power for power, letter in enumerate(["", "K", "M", "G", "T", "P", "E"])}
_NO_FIGURE = 2.0**62
"""Slurm's NO_VAL64 and INFINITE64 are near 2^64."""
_EMPTY: Mapping[str, float] = MappingProxyType({})


def cpu_time_s(text: str) -> float | None:
    """Seconds of `00:01.234`, `02:03:04` or `1-02:03:04`; None where there is no time."""
    match = _CPU_TIME.fullmatch(text.strip())
    if not match:
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match[4])


def size(text: str) -> float | None:
    """The number of `1584K`, `1.50G`, `22171648`; with a suffix in bytes. None where there is none."""
    match = _FIGURE.fullmatch(text.strip())
    if not match:
        return None
    figure = float(match[1]) * _SCALE[match[2].upper()]
    return figure if math.isfinite(figure) and figure < _NO_FIGURE else None


def tres_map(text: str) -> Mapping[str, float]:
    """`cpu=4,gres/gpu:a100=2,mem=1000M` by name: memory in bytes, `cpu=00:00:02` in seconds; what is no figure is left out."""
    if "=" not in text:
        return _EMPTY
    found: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        figure = cpu_time_s(value) if ":" in value else size(value)
        if name and figure is not None:
            found[name.strip()] = figure
    return found


def gpu_count(tres: Mapping[str, float]) -> int:
    """The GPUs among these resources; kinds of them are counted where there is no sum."""
    if "gres/gpu" in tres:
        return int(tres["gres/gpu"])
    return int(sum(count for name, count in tres.items() if name.startswith("gres/gpu:")))
