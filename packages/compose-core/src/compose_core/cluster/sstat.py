"""`sstat`: what the running steps of jobs use. Source: sstat(1)."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.cluster.slurm_text import count
from compose_core.cluster.tres import cpu_time_s, size, tres_map
from compose_core.cluster.usage_rows import RunningSteps, StepUsage
from compose_core.job_state import JobId

SSTAT_FIELDS = ("JobID", "NTasks", "AveCPU", "AveRSS", "MaxRSS", "TRESUsageInAve", "TRESUsageInTot")


def sstat_argv(job_ids: Sequence[JobId], program: str = "sstat") -> list[str]:
    """All running steps of these jobs; without `--allsteps` the batch step is left out. sstat knows no `--delimiter`."""
    return [
        program,
        "--allsteps",
        "--noheader",
        "--parsable2",
        "--noconvert",
        f"--format={','.join(SSTAT_FIELDS)}",
        f"--jobs={','.join(job_ids)}",
    ]


def parse_sstat(stdout: str) -> RunningSteps:
    """Read `sstat_argv` output; empty for a job that has ended, which sstat does not call an error."""
    lines = [line.split("|") for line in stdout.splitlines() if line.strip()]
    whole = [cells for cells in lines if len(cells) == len(SSTAT_FIELDS)]
    return RunningSteps(steps=tuple(_step(cells) for cells in whole), malformed=len(lines) - len(whole))


def _step(cells: Sequence[str]) -> StepUsage:
    job_id, _, step = cells[0].strip().partition(".")
    return StepUsage(
        job_id=job_id,
        step=step,
        ntasks=count(cells[1]),
        ave_cpu_s=cpu_time_s(cells[2]),
        ave_rss_bytes=size(cells[3]),
        max_rss_bytes=size(cells[4]),
        tres_usage_in_ave=cells[5],
        tres_usage_in_tot=tres_map(cells[6]),
    )
