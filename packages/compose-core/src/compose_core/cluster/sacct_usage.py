"""`sacct`, asked for what jobs and their steps used; a question of its own, because steps make its answer long.

Source: sacct(1). With `--noconvert` memory figures of steps come in bytes; TotalCPU of a job is the sum of its ended steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.cluster.slurm_text import FIELD_SEPARATOR, count, epoch_s, exit_status, start_time_text, word
from compose_core.cluster.tres import cpu_time_s, size, tres_map
from compose_core.cluster.usage_rows import UsageRow, UsageRows
from compose_core.job_state import JobId, parse_job_id, parse_job_state

USAGE_FIELDS = (
    "JobID",
    "State",
    "ExitCode",
    "ElapsedRaw",
    "TimelimitRaw",
    "Start",
    "End",
    "AllocCPUS",
    "CPUTimeRAW",
    "TotalCPU",
    "AllocTRES",
    "ReqTRES",
    "MaxRSS",
    "AveRSS",
    "NTasks",
    "TRESUsageInTot",
    "NNodes",
    "NodeList",
    "Account",
    "QOS",
    "Partition",
    "ConsumedEnergyRaw",
    "JobName",  # last: it may hold anything, also a line break
)


def sacct_usage_argv(*, since_epoch_s: float, job_ids: Sequence[JobId], program: str = "sacct") -> list[str]:
    """One call for all these jobs, with a row for each of their steps.

    Raises: ValueError: no id given, which would mean everybody's jobs.
    """
    if not job_ids:
        raise ValueError("sacct needs job ids: without any it answers for everybody")
    return [
        program,
        "--noheader",
        "--parsable2",
        "--noconvert",
        f"--delimiter={FIELD_SEPARATOR}",
        f"--starttime={start_time_text(since_epoch_s)}",
        f"--format={','.join(USAGE_FIELDS)}",
        f"--jobs={','.join(job_ids)}",
    ]


def parse_sacct_usage(stdout: str) -> UsageRows:
    """Read `sacct_usage_argv` output; lines of another shape are counted and dropped, tasks that wait together have used nothing."""
    lines = [line for line in stdout.split("\n") if line.strip()]
    found = [_row(line) for line in lines if "_[" not in line.partition(FIELD_SEPARATOR)[0]]
    rows = tuple(row for row in found if row is not None)
    return UsageRows(rows=rows, source="sacct", malformed=len(found) - len(rows))


def _row(line: str) -> UsageRow | None:
    cells = line.split(FIELD_SEPARATOR, len(USAGE_FIELDS) - 1)
    if len(cells) < len(USAGE_FIELDS):
        return None
    row = dict(zip(USAGE_FIELDS, cells))
    identity, _, step = row["JobID"].strip().partition(".")
    try:
        job_id = parse_job_id(identity)
    except ValueError:
        return None
    end = epoch_s(row["End"])
    exit_code, signal_number = exit_status(row["ExitCode"]) if end is not None else (None, None)
    minutes = size(row["TimelimitRaw"])
    return UsageRow(
        job_id=job_id,
        step=step,
        name=row["JobName"],
        state=parse_job_state(row["State"]),
        exit_code=exit_code,
        signal=signal_number,
        elapsed_s=size(row["ElapsedRaw"]),
        time_limit_s=None if minutes is None else minutes * 60,
        start=epoch_s(row["Start"]),
        end=end,
        alloc_cpus=count(row["AllocCPUS"]),
        cpu_time_s=size(row["CPUTimeRAW"]),
        total_cpu_s=cpu_time_s(row["TotalCPU"]),
        alloc_tres=tres_map(row["AllocTRES"]),
        req_tres=tres_map(row["ReqTRES"]),
        max_rss_bytes=size(row["MaxRSS"]),
        ave_rss_bytes=size(row["AveRSS"]),
        ntasks=count(row["NTasks"]),
        tres_usage_in_tot=tres_map(row["TRESUsageInTot"]),
        nnodes=count(row["NNodes"]),
        nodelist="" if row["NodeList"].strip() == "None assigned" else word(row["NodeList"]),
        account=word(row["Account"]),
        qos=word(row["QOS"]),
        partition=word(row["Partition"]),
        energy_j=size(row["ConsumedEnergyRaw"]) or None,
    )
