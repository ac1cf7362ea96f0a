"""One request that should be another one, and the same as a piece of YAML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from compose_core.units import format_bytes, format_duration, format_slurm_time

Resource = Literal["memory", "cpus", "gpus", "time"]
RESOURCES: tuple[Resource, ...] = ("memory", "cpus", "gpus", "time")
Direction = Literal["more", "less"]
Confidence = Literal["high", "medium", "low"]
Verdict = Literal["fits", "unknown"]
"""`unknown`: there is not enough evidence."""

MIB = 1024**2
_GIB_STEPS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A request, what was used of it, and what to ask for instead."""

    resource: Resource
    service: str | None = None
    """None: the job's request."""
    path: tuple[str, ...]
    """Where it stands in the compose file."""
    requested: float
    """Bytes, seconds or a count."""
    observed: float | None
    """In the same unit; None: not measured."""
    suggested: float
    value: str | int | None
    """As it would be written; None: the key goes."""
    direction: Direction
    confidence: Confidence
    evidence: str
    """What it rests on, in one sentence."""

    @property
    def key(self) -> str:
        """`services.train.x-slurm.mem`."""
        return ".".join(self.path)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "resource": self.resource,
            "service": self.service,
            "key": self.key,
            "unit": {"memory": "bytes", "time": "seconds"}.get(self.resource, "count"),
            "requested": self.requested,
            "observed": self.observed,
            "suggested": self.suggested,
            "value": self.value,
            "direction": self.direction,
            "confidence": self.confidence,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """A resource about which nothing is suggested."""

    resource: Resource
    service: str | None = None
    verdict: Verdict
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {"resource": self.resource, "service": self.service, "verdict": self.verdict, "reason": self.reason}


def memory_step(count: float) -> int:
    """The next larger size that a person would ask for: powers of two in MiB, then 1, 2, 4, 8, 16, 24, 32 … GiB."""
    mib = max(1, ceil(count / MIB))
    if mib <= 512:
        return int(2 ** max(4, (mib - 1).bit_length())) * MIB
    gib = ceil(mib / 1024)
    step = next((size for size in _GIB_STEPS if size >= gib), None)
    return (step if step is not None else ceil(gib / 256) * 256) * 1024 * MIB


def time_step(seconds: float) -> int:
    """Rounded up to five minutes: a shorter limit saves nothing."""
    return ceil(seconds / 300) * 300


def memory_text(count: float) -> str:
    """As Slurm is asked for it: `512M`, `4G`."""
    mib = ceil(count / MIB)
    return f"{mib // 1024}G" if mib % 1024 == 0 else f"{mib}M"


def quantity(resource: Resource, value: float) -> str:
    """As a person reads it."""
    match resource:
        case "memory":
            return format_bytes(value) if value else "all memory of a node"
        case "time":
            return format_slurm_time(int(value)) if value >= 60 else format_duration(value)
        case _:
            return f"{value:.3g}"


def yaml_patch(suggestions: Iterable[Suggestion]) -> str:
    """The keys with their new values as a piece of a compose file; empty when there are none."""
    import yaml

    tree: dict[str, Any] = {}
    for suggestion in suggestions:
        place = tree
        for part in suggestion.path[:-1]:
            place = place.setdefault(part, {})
        place[suggestion.path[-1]] = suggestion.value
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True) if tree else ""
