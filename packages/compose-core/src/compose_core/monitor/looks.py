"""What one look of a monitor found: the facts that become records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from compose_core.records.monitor_rows import GpuNow
from compose_core.tracking.snapshot import JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """The latest sample of all GPUs of a job."""

    sampled_at: float
    gpus: tuple[GpuNow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All watched jobs at one time."""

    at: float
    snapshots: Mapping[str, JobSnapshot]
    """By `key_of` their record; of arrays, one per task."""
    asked: bool = True
    """The scheduler was asked; False: it was not necessary, or not yet time again."""
    trouble: str = ""
    """Why it did not answer; empty when it did."""
    samples: Mapping[str, GpuSample] = field(default_factory=dict)
    """Of the running jobs, where it is time to tell; those without GPUs are left out."""
    folder: Path = Path("/")
    """Paths below it are told relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """What a job has used of what it had; None is not known."""

    is_final: bool = True
    """False: the accounting has not heard all of it yet, so it is worth asking once more."""
    gpus: int | None = None
    memory_used_bytes: int | None = None
    """Per node, as memory is asked for."""
    memory_requested_bytes: int | None = None
    cpu_percent: float | None = None

    @property
    def is_known(self) -> bool:
        """Something was measured."""
        return self.memory_used_bytes is not None or self.cpu_percent is not None


class EfficiencySource(Protocol):
    """Asks the accounting, once for all the jobs that are given."""

    def __call__(self, snapshots: Sequence[JobSnapshot]) -> Mapping[str, Efficiency]:
        """By `key_of` the record; a job of which nothing was measured (yet) may be left out."""
        ...


class Looker(Protocol):
    """Looks at all jobs, as `compose_core.tracking.poller.Poller` does."""

    @property
    def failures(self) -> int:
        """Questions in a row that the scheduler did not answer."""
        ...

    @property
    def trouble(self) -> str:
        """Why it did not answer."""
        ...

    def pause_s(self) -> float:
        """How long it is of no use to look again."""
        ...

    def look(self) -> list[JobSnapshot]:
        """One snapshot per followed record."""
        ...
