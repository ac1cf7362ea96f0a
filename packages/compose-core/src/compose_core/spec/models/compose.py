"""The whole compose file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from compose_core.frozen import Frozen
from compose_core.spec.models.job import JobSlurm
from compose_core.spec.models.service import Service
from compose_core.spec.models.sweep import Sweep

BackendName = Literal["pyxis", "enroot", "apptainer", "host"]


class Runtime(Frozen, kw_only=True):
    """How services are run."""

    backend: BackendName | None = None
    """None: what the engine prefers."""


class Secret(Frozen, kw_only=True):
    """Where a secret value is read on the node: exactly one of both is given."""

    file: str | None = None
    env: str | None = None


class ComposeSpec(Frozen, kw_only=True):
    """A compose file in its one canonical shape: shorthand resolved, variables filled in, rules checked."""

    services: Mapping[str, Service]
    """In the order of the file; at least one."""
    name: str | None = None
    version: str | None = None
    """Accepted for compatibility, without meaning."""
    x_slurm: JobSlurm = field(default_factory=JobSlurm)
    runtime: Runtime = Runtime()
    sweep: Sweep | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
