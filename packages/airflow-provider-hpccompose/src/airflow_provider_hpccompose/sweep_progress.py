"""How far a sweep is, and when that is far enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door

_ENDED_BADLY = ("failed", "submit_failed", "missing_tracking")


@dataclass(frozen=True, kw_only=True)
class SweepProgress:
    """The trials of a sweep, counted."""

    sweep_id: str
    total: int
    is_over: bool
    is_unreachable: bool = False
    """The scheduler did not answer for some of them: the counts may be old ones."""
    summary: Mapping[str, int] = field(default_factory=dict)
    """By status: completed, failed, running, pending, unknown, missing_tracking, submit_failed."""
    stopped_at: float | None = None

    @property
    def completed(self) -> int:
        """Trials that ended well."""
        return int(self.summary.get("completed", 0))

    @property
    def failed(self) -> int:
        """Trials that will not end well."""
        return sum(int(self.summary.get(status, 0)) for status in _ENDED_BADLY)

    def as_json(self) -> dict[str, Any]:
        """For XCom and events."""
        return {
            "v": 1,
            "sweep_id": self.sweep_id,
            "total": self.total,
            "completed": self.completed,
            "failed": self.failed,
            "is_over": self.is_over,
            "summary": dict(self.summary),
            "stopped_at": self.stopped_at,
        }


@dataclass(frozen=True, kw_only=True)
class Enough:
    """When a sweep has come far enough; without any wish: when it is over."""

    min_completed: int | None = None
    fraction: float | None = None
    """Of all trials, ended well; between 0 and 1."""
    any_failed: bool = False
    """The first failure is what is waited for."""

    def __post_init__(self) -> None:
        """Raises: ValueError: no sweep could ever come so far."""
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ValueError(f"fraction={self.fraction} is not between 0 and 1.")
        if self.min_completed is not None and self.min_completed < 1:
            raise ValueError(f"min_completed={self.min_completed} is less than one trial.")

    def is_reached(self, progress: SweepProgress) -> bool:
        """It is so far."""
        if self.any_failed and progress.failed:
            return True
        wanted = self._wanted(progress.total)
        if wanted is not None:
            return progress.completed >= wanted
        return progress.is_over and not self.any_failed

    def _wanted(self, total: int) -> float | None:
        if self.min_completed is not None:
            return self.min_completed
        return self.fraction * total if self.fraction is not None else None


def sweep_progress(door: Door, project_dir: str, sweep_id: str | None) -> SweepProgress:
    """How the sweep is now, the newest one of the folder when none is named; one question to the scheduler.

    Raises: HpccError: there is no such sweep, or nobody can say.
    """
    said: Mapping[str, Any] = door.call("sweep-state", {"project_dir": project_dir, "sweep_id": sweep_id})  # type: ignore[attr-defined]
    return SweepProgress(
        sweep_id=str(said["sweep_id"]),
        total=int(said["total"]),
        is_over=bool(said["is_over"]),
        is_unreachable=bool(said.get("is_unreachable")),
        summary=dict(said.get("summary") or {}),
        stopped_at=said.get("stopped_at"),
    )
