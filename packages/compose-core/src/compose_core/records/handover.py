"""The mark that a client is about to hand the script to the scheduler."""

from __future__ import annotations

from typing import Literal

from compose_core.records.format import Format, TokenText


class Handover(Format):
    """`submissions/<token>/submitting.<n>`: made once, so one client alone hands over for the n-th time."""

    token: TokenText
    attempt: int
    purpose: Literal["submit", "abandon"] = "submit"
    """`abandon`: made so that nobody hands it over any more."""
    at: float
    host: str
    boot_id: str
    pid: int
    start_ticks: int = 0
    given_up: bool = False
    """The client ended without knowing what became of it."""
