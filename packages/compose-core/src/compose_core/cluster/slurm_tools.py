"""The names of Slurm's programs at a site."""

from __future__ import annotations

from compose_core.frozen import Frozen


class SlurmTools(Frozen, kw_only=True):
    """The programs to call, by name or path, for sites that wrap them."""

    sbatch: str = "sbatch"
    srun: str = "srun"
    squeue: str = "squeue"
    sacct: str = "sacct"
    scontrol: str = "scontrol"
    scancel: str = "scancel"
    sinfo: str = "sinfo"
    sstat: str = "sstat"
