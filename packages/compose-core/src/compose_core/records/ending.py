"""How a job ended according to the scheduler, kept because the scheduler forgets."""

from __future__ import annotations

from typing import Literal

from compose_core.job_state import JobState
from compose_core.records.format import Format, TokenText


class Ending(Format):
    """`submissions/<token>/ending.json`: written by whichever command saw it first."""

    token: TokenText
    state: JobState
    source: Literal["state", "squeue", "sacct", "scontrol", "local", "record"]
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    nodelist: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    attempt: int | None = None
    """Which attempt the job's own files told of then; null: they told of none."""
    seen_at: float
