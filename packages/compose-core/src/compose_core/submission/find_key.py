"""The job that a run key stands for, looked for without submitting anything."""

from __future__ import annotations

from compose_core.errors import RecordError, SchedulerUnreachable, SubmissionUnresolved
from compose_core.submission.context import SubmitContext
from compose_core.submission.resolve import Resolution, resolve
from compose_core.submission.run_keys import token_of_key
from compose_core.submission.submit import Submission, attached


def find_by_key(context: SubmitContext, key: str) -> Submission | None:
    """The job of the key; None when there is none and none is on its way, so that submitting the key would start one.

    Raises: SchedulerUnreachable, SubmissionUnresolved: there may be one.  RecordError: its files cannot be read.
    """
    token, _ = token_of_key(context, key)
    if token is None:
        return None
    resolution = resolve(context, token)
    if resolution.outcome:
        return attached(context, token, resolution.outcome)
    if resolution.status == "absent":
        return None
    raise _not_known(token, resolution)


def _not_known(token: str, resolution: Resolution) -> Exception:
    if resolution.status == "broken":
        return RecordError(f"submission {token}: {resolution.message}", remedy="Look at its files, or use another key.")
    kind = SchedulerUnreachable if resolution.status == "unanswered" else SubmissionUnresolved
    return kind(
        f"it is not known yet what became of submission {token}: {resolution.message}",
        remedy="Ask again later; nothing was submitted.",
    )
