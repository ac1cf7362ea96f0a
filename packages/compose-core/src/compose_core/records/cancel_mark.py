"""The mark of a submission whose job is to end; a job that finds it ends before its first service starts."""

from __future__ import annotations

from compose_core.records.atomic import create_file, file_exists
from compose_core.records.paths import SubmissionPaths


def request_cancel(submission: SubmissionPaths) -> None:
    """Write down that the job is to end.

    Raises: RecordError: it cannot be written.
    """
    create_file(submission.cancel_requested, b"")


def cancel_is_requested(submission: SubmissionPaths) -> bool:
    """Somebody asked for the end of this submission.

    Raises: RecordError: nobody can say.
    """
    return file_exists(submission.cancel_requested)
