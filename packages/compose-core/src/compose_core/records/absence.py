"""Since when the scheduler answers that it does not know a job."""

from __future__ import annotations

from compose_core.job_state import JobState
from compose_core.records.format import Format, TokenText


class Absence(Format):
    """`absence.json` and `vanished.json` in `submissions/<token>/`: one command's memory for the next."""

    token: TokenText
    first_at: float
    """The first good answer without the job."""
    last_at: float
    unlisted_since: float | None = None
    """The first good accounting answer without its end, when all since had none either."""
    last_state: JobState | None = None
    """What was known of the job before."""
