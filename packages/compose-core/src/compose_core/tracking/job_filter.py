"""Which jobs a list shows: by state, name and time of submission."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from compose_core.errors import UsageError
from compose_core.job_state import JobState, parse_job_state
from compose_core.records.job_index import ListedJob

STATE_GROUPS: dict[str, str] = {
    "active": "not over yet",
    "waiting": "hold no resources yet",
    "running": "hold resources",
    "finished": "over",
    "failed": "over, and not COMPLETED",
}
"""Words for several states at once; in capitals FAILED is Slurm's word alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What is asked for; an empty one asks for nothing in particular."""

    states: Sequence[str] = ()
    """As `state_words` gives them; one of them has to hold."""
    name: str = ""
    """A shell pattern, or a part of the name."""
    since: float | None = None
    """Submitted at this moment or later."""

    def __bool__(self) -> bool:
        return bool(self.states or self.name or self.since is not None)

    def may_show(self, *, name: str, submitted_at: float) -> bool:
        """What can be told before anybody looks at the job."""
        if self.since is not None and submitted_at < self.since:
            return False
        return not self.name or fnmatchcase(name, self.name if _is_pattern(self.name) else f"*{self.name}*")

    def shows(self, job: ListedJob) -> bool:
        """The job is one of those that are asked for."""
        by_state = not self.states or any(_is_in(job, word) for word in self.states)
        return by_state and self.may_show(name=job.name, submitted_at=job.submitted_at)


def state_words(words: Collection[str]) -> tuple[str, ...]:
    """The words as groups and states.

    Raises: UsageError: one is neither.
    """
    return tuple(_state_word(word.strip()) for word in words)


def _state_word(word: str) -> str:
    if word in JobState.__members__:
        return word
    if word.lower() in STATE_GROUPS:
        return word.lower()
    state = parse_job_state(word) if word else JobState.UNKNOWN
    if state is not JobState.UNKNOWN:
        return str(state)
    if word.upper() in JobState.__members__:
        return word.upper()
    known = [*STATE_GROUPS, *(str(state) for state in JobState)]
    close = get_close_matches(word.upper(), [name.upper() for name in known], n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"{word!r} is no state of a job",
        remedy=f"{hint}A state is one of Slurm's words such as PENDING or TIMEOUT, or one of {', '.join(STATE_GROUPS)}.",
        code="job-state",
    )


def _is_in(job: ListedJob, word: str) -> bool:
    state = JobState(job.state)
    match word:
        case "active":
            return not job.terminal
        case "waiting":
            return state.is_waiting
        case "running":
            return state.is_active
        case "finished":
            return job.terminal
        case "failed":
            return job.failed
        case _:
            return job.state == word


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")
