"""What the planner has to know of the site; given in, so that planning reads nothing by itself."""

from __future__ import annotations

from typing import Literal

from compose_core.frozen import Frozen
from compose_core.plan.model import Backend


class PlanContext(Frozen, kw_only=True):
    """Facts about where the job will run."""

    engine: Literal["slurm", "local"]
    home: str
    """The user's home folder: the default cache lies below it."""
    container_backends: tuple[Backend, ...] = ("pyxis",)
    """Those that can be used there, the preferred one first; on Slurm, Pyxis is taken for granted."""
