"""`sweep`: one spec, many trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from compose_core.frozen import Frozen


class ParameterRange(Frozen, kw_only=True):
    """Values between two numbers, one drawn from each of `samples` even slices."""

    start: float
    """YAML: `from`."""
    stop: float
    """YAML: `to`."""
    samples: int
    log: bool = False
    """Even slices of the logarithm instead of the value."""
    integer: bool = False


class RandomMatrix(Frozen, kw_only=True):
    """A sample of all combinations, without replacement."""

    count: int
    """YAML: `random`."""
    seed: str | None = None
    """None: that of the sweep."""


class Objective(Frozen, kw_only=True):
    """Which figure of a trial says how good it is."""

    direction: Literal["minimize", "maximize"]
    log_pattern: str | None = None
    group: int = 1
    service: str | None = None
    """Whose log holds the figure; None: the one in which the pattern matches."""
    json_path: str | None = None
    json_field: str | None = None
    metric: str | None = None
    """A name in the trial's `trial.jsonl`."""
    take: Literal["last", "best"] = "last"
    """Which of several figures counts."""
    scaling_axis: str | None = None
    """A numeric parameter along which scaling is reported."""


class Prune(Frozen, kw_only=True):
    """How hopeless trials are ended early."""

    method: Literal["median", "asha"]
    metric: str | None = None
    """A name in `trial.jsonl`; None: the objective's."""
    min_steps: int = 1
    reduction_factor: int = 3


class Sweep(Frozen, kw_only=True):
    """The trials and how they are drawn; all values are text, as they will be interpolated."""

    parameters: Mapping[str, tuple[str, ...] | ParameterRange]
    matrix: Literal["full"] | RandomMatrix = "full"
    seed: str | None = None
    """Makes the draw of ranges and of a random matrix repeatable; None: the sweep's id."""
    replicates: int = 1
    objective: Objective | None = None
    throttle: int | None = None
    """Trials that run at once."""
    max_trials: int | None = None
    exclude: tuple[Mapping[str, str], ...] = ()
    """Partial assignments that are left out."""
    trials: tuple[Mapping[str, str], ...] = ()
    """Trials written out, instead of a matrix."""
    prune: Prune | None = None
