"""`squeue`: what the controller remembers of this user's jobs, and the steps of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compose_core.cluster.engine import JobRow, Rows
from compose_core.cluster.job_rows import rows_of
from compose_core.cluster.slurm_text import FIELD_SEPARATOR, array_job_id, count, epoch_s, limit_s, word
from compose_core.cluster.token_mark import token_in_comment
from compose_core.job_state import JobId, parse_job_id, parse_job_state

_FIELDS = ("%i", "%F", "%K", "%T", "%r", "%S", "%V", "%l", "%D", "%N", "%u", "%j", "%k")
"""Id, array's id, task, state, reason, start, submit, limit, nodes, node list, user, and the free texts last."""


def squeue_argv(program: str = "squeue") -> list[str]:
    """One call for all jobs of this user, finished ones included while the controller remembers them.

    Never `-j`: with one unknown id it fails, with none it lists everybody's jobs.

    Source: squeue(1); unknown ids measured with 22.05.
    """
    return [program, "--me", "--noheader", "--states=all", f"--format={FIELD_SEPARATOR.join(_FIELDS)}"]


def squeue_jobs_argv(job_ids: Sequence[JobId], program: str = "squeue") -> list[str]:
    """One call for these jobs, whoever submitted them; with a single unknown id squeue fails.

    Raises: ValueError: no id given, which would list everybody's jobs.
    """
    if not job_ids:
        raise ValueError("squeue needs job ids: without one it lists everybody's jobs")
    own = squeue_argv(program)
    return [*(word for word in own if word != "--me"), f"--jobs={','.join(job_ids)}"]


def parse_squeue(stdout: str) -> Rows:
    """Read `squeue_argv` output, one job a line; lines of another shape are counted and dropped.

    Array tasks that still wait together are one row with the array's id and their numbers in `array_task`.
    """
    return rows_of(stdout, _row, source="squeue")


def _row(line: str) -> JobRow | None:
    cells = line.split(FIELD_SEPARATOR, len(_FIELDS) - 1)
    if len(cells) != len(_FIELDS):
        return None
    identity, base, task, state, reason, start, submit, limit, nodes, nodelist, user, name, comment = cells
    is_array = count(base) is not None and word(task) != "" and "_" in identity
    shown_task = identity.strip().partition("_")[2].strip("[]") if is_array else ""
    try:
        job_id = parse_job_id(array_job_id(base.strip(), shown_task) if is_array else identity.strip())
    except ValueError:
        return None
    return JobRow(
        job_id=job_id,
        state=parse_job_state(state),
        source="squeue",
        raw_state=state.strip(),
        reason=word(reason),
        submitted_at=epoch_s(submit),
        started_at=epoch_s(start),
        time_limit_s=limit_s(limit),
        node_count=count(nodes),
        nodelist=word(nodelist),
        user=user.strip(),
        name=name,
        token=token_in_comment(comment),
        array_job_id=JobId(base.strip()) if is_array else None,
        array_task=shown_task or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One running step."""

    step_id: str
    """`1234.0`, `1234.batch`."""
    name: str


def squeue_steps_argv(job_id: JobId, program: str = "squeue") -> list[str]:
    """The running steps of one job."""
    return [program, "--steps", "--noheader", f"--jobs={job_id}", f"--format=%i{FIELD_SEPARATOR}%j"]


def parse_squeue_steps(stdout: str) -> tuple[StepRow, ...]:
    """Read `squeue_steps_argv` output; lines of another shape are dropped."""
    cells = (line.strip().partition(FIELD_SEPARATOR) for line in stdout.splitlines())
    return tuple(StepRow(step_id=step, name=name) for step, separator, name in cells if separator and "." in step)
