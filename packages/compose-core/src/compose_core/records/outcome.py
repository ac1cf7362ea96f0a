"""How a submission ended."""

from __future__ import annotations

from typing import Literal

from compose_core.records.format import Format, JobIdText, TokenText


class Outcome(Format):
    """`submissions/<token>/outcome.json`, written once."""

    token: TokenText
    outcome: Literal["submitted", "refused", "cancelled", "abandoned"]
    """`abandoned`: its client died before the scheduler heard of it."""
    job_id: JobIdText | None = None
    """Set when `submitted`."""
    cluster: str | None = None
    at: float
    message: str = ""
    how: Literal["answer", "queue", "accounting", "claim"] = "answer"
    """What said so."""
