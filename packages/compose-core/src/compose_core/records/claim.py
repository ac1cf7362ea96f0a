"""The claim: which job may run for a token."""

from __future__ import annotations

from typing import ClassVar

from compose_core.records.format import Format, JobIdText, TokenText


class Claim(Format):
    """`submissions/<token>/claim`, made by linking, so it is whole or absent."""

    max_bytes: ClassVar[int] = 64 * 1024

    token: TokenText
    job_id: JobIdText
    host: str = ""
    at: float = 0.0
    """By the clock of the host that made it."""
    pid: int = 0
