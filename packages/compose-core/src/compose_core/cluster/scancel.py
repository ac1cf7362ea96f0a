"""`scancel`: ask for the end of a job. It says nothing about unknown and ended jobs; the end is seen by observing."""

from __future__ import annotations

from compose_core.cluster.engine import CancelAnswer
from compose_core.cluster.runner import Finished
from compose_core.cluster.slurm_text import fault_kind
from compose_core.job_state import JobId

_CONTROLLER_DOWN = 8
"""Measured with 22.05."""


def scancel_argv(job_id: JobId, *, force: bool = False, program: str = "scancel") -> list[str]:
    """TERM now and KILL after the site's KillWait; with `force` KILL at once."""
    return [program, *(["--signal=KILL", "--full"] if force else []), str(job_id)]


def parse_scancel(answer: Finished) -> CancelAnswer:
    """Whether the controller took the request; rc 0 also for a job that has ended."""
    if answer.rc == 0:
        return CancelAnswer(requested=True)
    text = f"{answer.stderr}\n{answer.stdout}"
    if answer.rc == _CONTROLLER_DOWN or fault_kind(text) == "unreachable":
        return CancelAnswer(requested=False, reachable=False, message=answer.first_error_line)
    return CancelAnswer(requested=False, message=answer.first_error_line)
