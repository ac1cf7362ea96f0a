"""What the runner knows of the job that it is in."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The job, as its environment tells of it."""

    task: int
    slurm_job_id: str
    restart_count: int
    host: str

    def memory_peak(self) -> int | None:
        """Most memory that the batch step has used at once, file cache included, in bytes; None: the kernel keeps no count of it alone."""
        folder = _job_cgroup(self.slurm_job_id)
        if folder is None:
            return None
        try:
            return int((folder / "memory.peak").read_text())
        except (OSError, ValueError):
            return None


def surroundings(environment: Mapping[str, str]) -> Surroundings:
    """Both engines set `SLURM_ARRAY_TASK_ID` and `SLURM_JOB_ID`; a job that is no array is task 0."""
    return Surroundings(
        task=_number(environment.get("SLURM_ARRAY_TASK_ID")),
        slurm_job_id=environment.get("SLURM_JOB_ID", ""),
        restart_count=_number(environment.get("SLURM_RESTART_COUNT")),
        host=socket.gethostname(),
    )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0


def _job_cgroup(job_id: str) -> Path | None:
    """The folder of the step that this process is in, if it belongs to the job.  Source: slurm.conf(5), cgroup.conf(5), cgroup v2."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, path = line.partition("::")
        parts = path.split("/")
        if job_id and f"job_{job_id}" in parts:
            step = parts.index(f"job_{job_id}") + 2
            return _CGROUPS.joinpath(*[part for part in parts[:step] if part])
    return None
