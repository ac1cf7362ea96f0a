"""When a sweep has come far enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door
    from airflow_provider_hpccompose.sweep_doors import SweepCalls


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

    def is_reached(self, report: SweepReport) -> bool:
        """It is so far."""
        if self.any_failed and report.failed:
            return True
        if self.min_completed is not None:
            return report.completed >= self.min_completed
        if self.fraction is not None:
            return report.completed >= self.fraction * report.total
        return report.is_over and not self.any_failed


def sweep_report(door: Door, project_dir: str, sweep_id: str | None) -> SweepReport:
    """How the sweep is now, the newest one of the folder when none is named; one question to the scheduler.

    Raises: HpccError: there is no such sweep, or nobody can say.
    """
    sweeps = cast("SweepCalls", door)  # every door is one
    return sweeps.sweep_state(SweepHandle(project_dir=project_dir, sweep_id=sweep_id or ""))


def counts(report: SweepReport) -> dict[str, Any]:
    """The sweep in numbers, small enough for XCom however many trials it has."""
    return {
        "v": 1,
        "sweep_id": report.sweep_id,
        "total": report.total,
        "completed": report.completed,
        "failed": report.failed,
        "is_over": report.is_over,
        "summary": dict(report.summary),
        "stopped_at": report.stopped_at,
    }
