"""Which trials are hopeless: a pure decision from their curves so far.

Sources: the median stopping rule of Google Vizier (Golovin et al., KDD 2017); asynchronous successive halving, in its
stopping form (Li et al., MLSys 2020).
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    costs = {name: Curve(curve.steps, _costs(curve, sign)) for name, curve in curves.items()}
    judge = _by_median if rule.method == "median" else _by_halving
    decisions = (judge(name, costs, rule) for name in running if name in costs and costs[name].steps)
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


def _costs(curve: Curve, sign: float) -> tuple[float, ...]:
    return tuple(sign * value if math.isfinite(value) else math.inf for value in curve.values)


def _by_median(name: str, costs: Mapping[str, Curve], rule: Prune) -> Pruned | None:
    """Its best figure is worse than the median of the others' running means up to the same step.

    That step is the last one that it and enough others have reached: a trial that outlives the others is judged there.
    """
    own = costs[name]
    others = sorted((curve for other, curve in costs.items() if other != name), key=lambda curve: -curve.last_step)
    if len(others) < MEDIAN_NEEDS:
        return None
    step = min(own.last_step, others[MEDIAN_NEEDS - 1].last_step)
    seen = own.until(step)
    if len(seen) < rule.min_steps:
        return None
    means = [_mean(curve.until(step)) for curve in others if curve.last_step >= step and curve.until(step)]
    if len(means) < MEDIAN_NEEDS:
        return None
    threshold, best = statistics.median(means), min(seen)
    if not math.isfinite(threshold) or best <= threshold:
        return None
    return Pruned(
        trial_id=name, step=step, value=best, threshold=threshold, compared_with=len(means), method=rule.method
    )


def _mean(values: Sequence[float]) -> float:
    return math.inf if math.inf in values else math.fsum(values) / len(values)


def _by_halving(name: str, costs: Mapping[str, Curve], rule: Prune) -> Pruned | None:
    """It is not among the best one in `reduction_factor` of all that came to the last rung that enough of them reached.

    Rungs lie at min_steps, min_steps * reduction_factor, and so on, counted in points of the curve.
    """
    own = costs[name]
    for rung in reversed(_rungs(len(own.steps), rule)):
        reached = {other: min(curve.values[:rung]) for other, curve in costs.items() if len(curve.values) >= rung}
        if len(reached) >= rule.reduction_factor:
            kept = len(reached) // rule.reduction_factor
            threshold = sorted(reached.values())[kept - 1]
            if not math.isfinite(threshold) or reached[name] <= threshold:
                return None
            return Pruned(
                trial_id=name,
                step=own.steps[rung - 1],
                value=reached[name],
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
