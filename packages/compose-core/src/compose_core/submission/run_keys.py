"""Which submission a run key stands for, decided between any number of clients without a lock."""

from __future__ import annotations

from compose_core.records.outcome import Outcome
from compose_core.records.run_key import RunKey
from compose_core.submission.context import SubmitContext


def token_of_key(context: SubmitContext, key: str) -> tuple[str | None, str | None]:
    """The token that the key stands for now, and the last one before it that came to nothing.

    The first is None when the key is new, or when all its submissions came to nothing.

    Raises: RecordError: a file of the key cannot be read.
    """
    after: str | None = None
    seen: set[str] = set()
    while entry := RunKey.read(context.project.run_key(key, after=after)):
        if entry.token in seen or not came_to_nothing(context, entry.token):
            return entry.token, after
        seen.add(entry.token)
        after = entry.token
    return None, after


def take_key(context: SubmitContext, key: str, token: str, *, after: str | None) -> bool:
    """True when the key stands for this token from now on; False when another client was faster.

    Raises: RecordError: it cannot be written.
    """
    entry = RunKey(run_key=key, token=token, created_at=context.clock.now())
    return entry.create(context.project.run_key(key, after=after))


def came_to_nothing(context: SubmitContext, token: str) -> bool:
    """The submission ended without a job, so the key is free for another one."""
    outcome = Outcome.read(context.project.submission(token).outcome)
    return outcome is not None and outcome.outcome != "submitted"
