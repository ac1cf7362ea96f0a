"""Cancelling a submission that the scheduler has not confirmed."""

from __future__ import annotations

from compose_core.errors import NoSuchJob
from compose_core.records.atomic import file_exists
from compose_core.records.cancel_mark import request_cancel
from compose_core.submission.context import SubmitContext
from compose_core.submission.resolve import Resolution, resolve


def cancel_pending(context: SubmitContext, token: str) -> Resolution:
    """What is known of the submission after its end was asked for.

    Should the scheduler have the job, it is cancelled; should it turn up later, it ends before its first service.

    Raises: NoSuchJob: the project has no such submission.  RecordError: the request cannot be written.
    """
    if not file_exists(context.project.submission(token).intent):
        raise NoSuchJob(f"there is no submission {token}", remedy="`hpcc jobs` lists what there is.")
    request_cancel(context.project.submission(token))
    return resolve(context, token)
