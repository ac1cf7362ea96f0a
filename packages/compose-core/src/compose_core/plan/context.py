"""What the planner has to know of the site; given in, so that planning reads nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
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
    machine: str = ""
    """The processor's architecture, as `uname -m` says it: `x86_64`."""
    local_image_digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the local image files that `prepare` builds on, by absolute path."""
