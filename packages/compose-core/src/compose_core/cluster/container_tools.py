"""The names of the container programs on this machine."""

from __future__ import annotations

from compose_core.frozen import Frozen


class ContainerTools(Frozen, kw_only=True):
    """The programs that import and customise images here, by name or path; a job uses those of its nodes."""

    enroot: str = "enroot"
    apptainer: str = "apptainer"
