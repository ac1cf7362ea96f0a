"""Which trials are hopeless: a pure decision from their curves so far.

Sources: the median stopping rule of Google Vizier (Golovin et al., KDD 2017); asynchronous successive halving, in its
stopping form (Li et al., MLSys 2020).
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from heapq import nlargest
from itertools import accumulate
from typing import Any

from compose_core.spec.models import Objective, Prune

MEDIAN_NEEDS = 4
"""The median of fewer other trials says too little."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What one trial told of its figure: steps in rising order, and the figure at each."""

    steps: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> Curve:
        """From points in any order; of several at one step the last counts."""
        at = dict(points)
        steps = tuple(sorted(at))
        return cls(steps, tuple(at[step] for step in steps))

    @property
    def last_step(self) -> float:
        """How far it is."""
        return self.steps[-1] if self.steps else -math.inf

    def until(self, step: float) -> tuple[float, ...]:
        """The figures up to and with this step."""
        return self.values[: bisect_right(self.steps, step)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """A trial that should be ended, and why."""

    trial_id: str
    step: float
    value: float
    """Its best figure up to that step; `nan` when it has no finite one."""
    threshold: float
    """What it would have had to reach."""
    compared_with: int
    """Other trials that were compared."""
    method: str

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "trial_id": self.trial_id,
            "step": self.step,
            "value": self.value if math.isfinite(self.value) else None,
            "threshold": self.threshold,
            "compared_with": self.compared_with,
            "method": self.method,
        }

    def __str__(self) -> str:
        return (
            f"{self.trial_id}: {self.value:g} at step {self.step:g} is worse than {self.threshold:g} "
            f"({self.method} of {self.compared_with} other trials)"
        )


def hopeless(
    curves: Mapping[str, Curve], running: Sequence[str], rule: Prune, objective: Objective
) -> tuple[Pruned, ...]:
    """The running trials that the rule ends now, in the order given.

    `curves` holds those of all trials, ended and pruned ones included: they are what a trial is compared with. A figure
    that is not finite is the worst of all.
    """
    sign = 1.0 if objective.direction == "minimize" else -1.0
    field = _Field({name: _Course.of(curve, sign) for name, curve in curves.items()})
    judge = _by_median if rule.method == "median" else _by_halving
    decisions = (judge(name, field, rule) for name in running if name in curves and curves[name].steps)
    return tuple(
        Pruned(
            trial_id=one.trial_id,
            step=one.step,
            value=sign * one.value if math.isfinite(one.value) else math.nan,
            threshold=sign * one.threshold,
            compared_with=one.compared_with,
            method=rule.method,
        )
        for one in decisions
        if one is not None
    )


@dataclass(frozen=True, slots=True)
class _Course:
    """A curve as costs, with what every beginning of it comes to: a thousand trials are compared with each other."""

    steps: tuple[float, ...]
    lowest: tuple[float, ...]
    sums: tuple[float, ...]

    @classmethod
    def of(cls, curve: Curve, sign: float) -> _Course:
        costs = [sign * value if math.isfinite(value) else math.inf for value in curve.values]
        return cls(curve.steps, tuple(accumulate(costs, min)), tuple(_running_sums(costs)))

    @property
    def last_step(self) -> float:
        return self.steps[-1] if self.steps else -math.inf

    def points_until(self, step: float) -> int:
        return bisect_right(self.steps, step)

    def mean_until(self, step: float) -> float | None:
        points = self.points_until(step)
        return self.sums[points - 1] / points if points else None


def _running_sums(costs: Sequence[float]) -> Iterator[float]:
    """Rounded once, by Neumaier's sum: the mean of equal figures is that figure, or equal trials would end each other."""
    total = lost = 0.0
    for cost in costs:
        now = total + cost
        if math.isfinite(now):
            lost += (total - now) + cost if abs(total) >= abs(cost) else (cost - now) + total
        total = now
        yield total + lost


@dataclass(frozen=True, slots=True)
class _Field:
    """All trials that are compared."""

    courses: Mapping[str, _Course]
    _rungs: dict[int, list[float]] = dataclass_field(default_factory=dict)
    _means: dict[float, dict[str, float]] = dataclass_field(default_factory=dict)

    def furthest(self) -> list[str]:
        """As many as can be the first others of any one."""
        return nlargest(MEDIAN_NEEDS + 1, self.courses, key=lambda name: self.courses[name].last_step)

    def means_at(self, step: float) -> dict[str, float]:
        """The running means of those that came so far."""
        if step not in self._means:
            told = {name: course.mean_until(step) for name, course in self.courses.items() if course.last_step >= step}
            self._means[step] = {name: mean for name, mean in told.items() if mean is not None}
        return self._means[step]

    def at_rung(self, rung: int) -> list[float]:
        """The best costs of those that reached it, in order."""
        if rung not in self._rungs:
            reached = (course.lowest[rung - 1] for course in self.courses.values() if len(course.lowest) >= rung)
            self._rungs[rung] = sorted(reached)
        return self._rungs[rung]


def _by_median(name: str, field: _Field, rule: Prune) -> Pruned | None:
    """Its best figure is worse than the median of the others' running means up to the same step.

    That step is the last one that it and enough others have reached: a trial that outlives the others is judged there.
    """
    own = field.courses[name]
    others = [other for other in field.furthest() if other != name]
    if len(others) < MEDIAN_NEEDS:
        return None
    step = min(own.last_step, field.courses[others[MEDIAN_NEEDS - 1]].last_step)
    points = own.points_until(step)
    if points < rule.min_steps:
        return None
    means = [mean for other, mean in field.means_at(step).items() if other != name]
    if len(means) < MEDIAN_NEEDS:
        return None
    threshold, best = statistics.median(means), own.lowest[points - 1]
    if not math.isfinite(threshold) or best <= threshold:
        return None
    return Pruned(
        trial_id=name, step=step, value=best, threshold=threshold, compared_with=len(means), method=rule.method
    )


def _by_halving(name: str, field: _Field, rule: Prune) -> Pruned | None:
    """It is not among the best one in `reduction_factor` of all that came to the last rung that enough of them reached.

    Rungs lie at min_steps, min_steps * reduction_factor, and so on, counted in points of the curve.
    """
    own = field.courses[name]
    for rung in reversed(_rungs(len(own.steps), rule)):
        reached = field.at_rung(rung)
        if len(reached) >= rule.reduction_factor:
            threshold, value = reached[len(reached) // rule.reduction_factor - 1], own.lowest[rung - 1]
            if not math.isfinite(threshold) or value <= threshold:
                return None
            return Pruned(
                trial_id=name,
                step=own.steps[rung - 1],
                value=value,
                threshold=threshold,
                compared_with=len(reached) - 1,
                method=rule.method,
            )
    return None


def _rungs(points: int, rule: Prune) -> list[int]:
    rungs = []
    rung = rule.min_steps
    while rung <= points:
        rungs.append(rung)
        rung *= rule.reduction_factor
    return rungs
