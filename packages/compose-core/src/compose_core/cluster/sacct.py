"""`sacct`: what the accounting keeps of jobs, also of those that the controller has forgotten. It lags behind by seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compose_core.cluster.engine import JobRow, Rows
from compose_core.cluster.job_rows import rows_of
from compose_core.cluster.slurm_text import FIELD_SEPARATOR, array_job_id, epoch_s, exit_status, start_time_text, word
from compose_core.cluster.token_mark import token_in_comment, token_in_submit_line
from compose_core.job_state import JobId, parse_job_id, parse_job_state

CHUNK = 200
"""Ids per call: longer lists make the database slow, and a command line is finite."""

_FIELDS = (
    "JobID",
    "JobIDRaw",
    "State",
    "ExitCode",
    "Submit",
    "Start",
    "End",
    "Reason",
    "NodeList",
    "User",
    "JobName",
    "Comment",
    "SubmitLine",
)


def sacct_argv(
    *, since_epoch_s: float, job_ids: Sequence[JobId] = (), user: str = "", program: str = "sacct"
) -> list[str]:
    """One call for these jobs, or for all jobs of `user`, since a time.

    `--starttime` always: by default sacct forgets what ended before midnight, and with it an old job with a reused id
    stays out. `--allocations`: one row per job, not per step.

    Raises: ValueError: neither ids nor a user, which would mean everybody's jobs.
    """
    if not job_ids and not user:
        raise ValueError("sacct needs job ids or a user: without either it answers for everybody")
    return [
        program,
        "--allocations",
        "--noheader",
        "--parsable2",
        f"--delimiter={FIELD_SEPARATOR}",
        f"--starttime={start_time_text(since_epoch_s)}",
        f"--format={','.join(_FIELDS)}",
        *([f"--jobs={','.join(job_ids)}"] if job_ids else [f"--user={user}"]),
    ]


def chunks(job_ids: Sequence[JobId]) -> Iterator[Sequence[JobId]]:
    """The ids in pieces that one call can take."""
    for start in range(0, len(job_ids), CHUNK):
        yield job_ids[start : start + CHUNK]


def parse_sacct(stdout: str) -> Rows:
    """Read `sacct_argv` output, one job a line; lines of another shape are counted and dropped.

    A comment or submit line with a line break in it makes such lines; the token stands before the break.
    """
    return rows_of(stdout, _row, source="sacct")


def _row(line: str) -> JobRow | None:
    cells = line.split(FIELD_SEPARATOR, len(_FIELDS) - 1)
    if len(cells) < len(_FIELDS) - 1:
        return None
    identity, raw, state, status, submit, start, end, reason, nodelist, user, name, comment = cells[:12]
    submit_line = cells[12] if len(cells) > 12 else ""
    base, _, task = identity.strip().partition("_")
    try:
        tasks = task.strip("[]")
        job_id = parse_job_id(array_job_id(base, tasks) if tasks else identity.strip())
        parse_job_id(raw.strip())
    except ValueError:
        return None
    ended_at = epoch_s(end)
    exit_code, signal_number = exit_status(status)
    return JobRow(
        job_id=job_id,
        state=parse_job_state(state),
        source="sacct",
        raw_state=state.strip(),
        exit_code=exit_code if ended_at is not None else None,
        signal=signal_number if ended_at is not None else None,
        reason=word(reason),
        submitted_at=epoch_s(submit),
        started_at=epoch_s(start),
        ended_at=ended_at,
        nodelist="" if nodelist.strip() == "None assigned" else word(nodelist),
        user=user.strip(),
        name=name,
        token=token_in_comment(comment) or token_in_submit_line(submit_line),
        array_job_id=JobId(base) if task else None,
        array_task=tasks or None,
    )
