"""`scancel`: ask for the end of a job. It says nothing about unknown and ended jobs; the end is seen by observing."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.cluster.engine import CancelAnswer
from compose_core.cluster.runner import Finished
from compose_core.cluster.slurm_text import fault_kind
from compose_core.job_state import JobId

_CONTROLLER_DOWN = 8
"""Measured with 22.05."""


def scancel_argv(job_id: JobId, *, program: str = "scancel") -> list[str]:
    """TERM now and KILL after the site's KillWait; `--signal=KILL` for a whole job is the same.

    Source: measured with 22.05.
    """
    return [program, str(job_id)]


def scancel_many_argv(job_ids: Sequence[JobId], *, program: str = "scancel") -> list[str]:
    """The same for several jobs in one call."""
    return [program, *map(str, job_ids)]


def kill_steps_argv(step_ids: Sequence[str], program: str = "scancel") -> list[str]:
    """KILL at once to every process of these steps."""
    return [program, "--signal=KILL", *step_ids]


def parse_scancel(answer: Finished) -> CancelAnswer:
    """Whether the controller took the request; rc 0 also for a job that has ended."""
    if answer.rc == 0:
        return CancelAnswer(requested=True)
    text = f"{answer.stderr}\n{answer.stdout}"
    if answer.rc == _CONTROLLER_DOWN or fault_kind(text) == "unreachable":
        return CancelAnswer(requested=False, reachable=False, message=answer.first_error_line)
    return CancelAnswer(requested=False, message=answer.first_error_line)
