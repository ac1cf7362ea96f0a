"""`sstat`: what the running steps of a job use."""

from __future__ import annotations

from dataclasses import dataclass

from compose_core.cluster.slurm_text import count
from compose_core.job_state import JobId

_FIELDS = ("JobID", "NTasks", "AveCPU", "MaxRSS", "TRESUsageInTot")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUsage:
    """One running step, the figures in Slurm's own words."""

    step_id: str
    """`1234.batch`, `1234.0`."""
    tasks: int | None
    average_cpu: str
    max_rss: str
    tres_usage: str


def sstat_argv(job_id: JobId, program: str = "sstat") -> list[str]:
    """All running steps of one job; without `--allsteps` the batch step is left out. sstat knows no `--delimiter`."""
    return [
        program,
        "--allsteps",
        "--noheader",
        "--parsable2",
        f"--format={','.join(_FIELDS)}",
        f"--jobs={job_id}",
    ]


def parse_sstat(stdout: str) -> tuple[StepUsage, ...]:
    """Read `sstat_argv` output; empty for a job that has ended, which sstat does not call an error."""
    rows = (line.split("|") for line in stdout.splitlines())
    return tuple(
        StepUsage(step_id=cells[0], tasks=count(cells[1]), average_cpu=cells[2], max_rss=cells[3], tres_usage=cells[4])
        for cells in rows
        if len(cells) == len(_FIELDS)
    )
