"""How a submission token travels through the scheduler: in the job's comment and in its submit line."""

from __future__ import annotations

import re

from compose_core.records.token import parse_token

_PREFIX = "hpcc:v1:"
_ULID = r"([0-7][0-9A-HJKMNP-TV-Z]{25})(?![0-9A-Za-z])"
_COMMENT = re.compile(_PREFIX + _ULID)
_SUBMIT_LINE = re.compile(r"(?:--comment=['\"]?" + _PREFIX + r"|\sclaim:)" + _ULID)


def comment_of(token: str, user_text: str = "") -> str:
    """The comment of a job: the token first, then what the user wanted to say: `hpcc:v1:01ARY…:my run`.

    Raises: ValueError: no token.
    """
    return f"{_PREFIX}{parse_token(token)}" + (f":{user_text}" if user_text else "")


def claim_argument(token: str) -> str:
    """The argument by which the script knows its token.

    Raises: ValueError: no token.
    """
    return f"claim:{parse_token(token)}"


def token_in_comment(comment: str) -> str | None:
    """The token that a job's comment begins with; None when the comment is not ours."""
    match = _COMMENT.match(comment.strip())
    return match[1] if match else None


def token_in_submit_line(submit_line: str) -> str | None:
    """The token on an sbatch command line as the accounting keeps it; None when there is none."""
    match = _SUBMIT_LINE.search(submit_line)
    return match[1] if match else None
