"""Which configuration is best: pure functions of the trials' figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from compose_core.spec.models import Objective

TrialStatus = Literal["completed", "failed", "running", "pending", "unknown", "missing_tracking", "submit_failed"]
STATUSES: tuple[TrialStatus, ...] = get_args(TrialStatus)
"""In the order in which they are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One trial and what came of it."""

    trial_id: str
    index: int
    variables: Mapping[str, str]
    config_key: str
    replicate: int = 0
    job_id: str | None = None
    status: TrialStatus
    state: str | None = None
    """The scheduler's word."""
    objective: float | None = None
    objective_error: str | None = None
    submitted_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    detail: str = ""

    @property
    def elapsed_s(self) -> float | None:
        """How long it ran; None before its end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return round(max(0.0, self.ended_at - self.started_at), 3)

    @property
    def is_ranked(self) -> bool:
        """It ended well and has a figure; that of a trial that still runs may yet change."""
        return self.status == "completed" and self.objective is not None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "trial_id": self.trial_id,
            "index": self.index,
            "variables": dict(self.variables),
            "config_key": self.config_key,
            "replicate": self.replicate,
            "job_id": self.job_id,
            "status": self.status,
            "scheduler_state": self.state,
            "objective": self.objective,
            "objective_error": self.objective_error,
            "submitted_at": self.submitted_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "elapsed_s": self.elapsed_s,
            "exit_code": self.exit_code,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One configuration: its replicates taken together."""

    rank: int | None
    """1 is the best; equal means share a rank; None without a figure."""
    config_key: str
    variables: Mapping[str, str]
    replicates: int
    """Trials that there are of it."""
    n: int
    """Trials that ended well and have a figure."""
    mean: float | None
    std: float | None
    """Of the sample (n - 1); None for less than two."""
    best_trial: str | None
    trials: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "rank": self.rank,
            "config_key": self.config_key,
            "variables": dict(self.variables),
            "replicates": self.replicates,
            "n": self.n,
            "mean": self.mean,
            "std": self.std,
            "best_trial": self.best_trial,
            "trials": list(self.trials),
        }


def standings(rows: Sequence[ResultRow], objective: Objective | None) -> tuple[Standing, ...]:
    """Every configuration, the best first; those without a figure last, in the order of the sweep."""
    groups: dict[frozenset[tuple[str, str]], list[ResultRow]] = {}
    for row in rows:  # by the parameters: a value with `;` or `=` may make two keys read the same
        groups.setdefault(frozenset(row.variables.items()), []).append(row)
    direction = objective.direction if objective else "minimize"
    unranked = [_standing(members, direction) for members in groups.values()]
    sign = 1 if direction == "minimize" else -1
    with_mean = sorted((one for one in unranked if one.mean is not None), key=lambda one: sign * (one.mean or 0.0))
    ranked: list[Standing] = []
    for place, one in enumerate(with_mean, start=1):
        before = ranked[-1] if ranked else None
        rank = before.rank if before is not None and before.mean == one.mean else place
        ranked.append(replace(one, rank=rank))
    return (*ranked, *(one for one in unranked if one.mean is None))


def best_row(rows: Sequence[ResultRow], objective: Objective | None) -> ResultRow | None:
    """The trial with the best figure of all that ended well; the first of equal ones."""
    if objective is None:
        return None
    sign = 1 if objective.direction == "minimize" else -1
    ranked = [row for row in rows if row.is_ranked]
    return min(ranked, key=lambda row: (sign * (row.objective or 0.0), row.index), default=None)


def _standing(members: Sequence[ResultRow], direction: str) -> Standing:
    ranked = [row for row in members if row.is_ranked]
    values = [row.objective for row in ranked if row.objective is not None]
    chosen = (min if direction == "minimize" else max)(ranked, key=lambda row: row.objective or 0.0, default=None)
    return Standing(
        rank=None,
        config_key=members[0].config_key,
        variables=members[0].variables,
        replicates=len(members),
        n=len(values),
        mean=math.fsum(values) / len(values) if values else None,
        std=statistics.stdev(values) if len(values) > 1 else None,
        best_trial=chosen.trial_id if chosen else None,
        trials=tuple(row.trial_id for row in members),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPoint:
    """One value of the axis."""

    axis: float
    n: int
    mean: float
    std: float | None
    speedup: float | None
    """Against the smallest value of the axis: how many times better."""
    efficiency: float | None
    """The speedup for each multiple of the axis; 1 is ideal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingSeries:
    """How the figure goes with the axis while all other parameters stay."""

    others: Mapping[str, str]
    points: tuple[ScalingPoint, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "others": dict(self.others),
            "points": [
                {
                    "axis": point.axis,
                    "n": point.n,
                    "mean": point.mean,
                    "std": point.std,
                    "speedup": point.speedup,
                    "efficiency": point.efficiency,
                }
                for point in self.points
            ],
        }


def scaling(found: Sequence[Standing], objective: Objective | None) -> tuple[ScalingSeries, ...]:
    """The scaling report along the objective's axis; empty without one.

    A figure that is minimized is taken for a time, one that is maximized for a rate.
    """
    axis = objective.scaling_axis if objective else None
    if objective is None or axis is None:
        return ()
    families: dict[tuple[tuple[str, str], ...], list[Standing]] = {}
    for one in found:
        if one.mean is not None and axis in one.variables:
            others = tuple(sorted((name, value) for name, value in one.variables.items() if name != axis))
            families.setdefault(others, []).append(one)
    return tuple(
        ScalingSeries(others=dict(others), points=_points(members, axis, objective.direction))
        for others, members in sorted(families.items())
    )


def _points(members: Sequence[Standing], axis: str, direction: str) -> tuple[ScalingPoint, ...]:
    ordered = sorted(members, key=lambda one: float(one.variables[axis]))
    base = ordered[0]
    points = []
    for one in ordered:
        at, start = float(one.variables[axis]), float(base.variables[axis])
        speedup = _ratio(base.mean, one.mean) if direction == "minimize" else _ratio(one.mean, base.mean)
        efficiency = speedup / (at / start) if speedup is not None and start > 0 else None
        assert one.mean is not None
        points.append(
            ScalingPoint(axis=at, n=one.n, mean=one.mean, std=one.std, speedup=speedup, efficiency=efficiency)
        )
    return tuple(points)


def _ratio(one: float | None, other: float | None) -> float | None:
    """None where it says nothing: a figure of zero or of another sign."""
    if not one or not other or one * other < 0:
        return None
    return one / other
