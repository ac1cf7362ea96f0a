"""A moment as a person writes it: so long ago, or a date and time."""

from __future__ import annotations

from datetime import datetime

from compose_core.errors import UsageError
from compose_core.units import parse_duration_s


def moment(option: str, text: str | None, now: float) -> float | None:
    """Epoch seconds of `30m` (that long before now) or of ISO 8601; without an offset it is this machine's time.

    Raises: UsageError: it is neither.
    """
    if text is None:
        return None
    try:
        return now - parse_duration_s(text)
    except (ValueError, OverflowError) as error:
        at = epoch_s(text)
        if at is not None:
            return at
        raise UsageError(
            f"{option}: {error}", remedy="Or a time such as 2026-01-31T12:00:00 or 2026-01-31T12:00:00+01:00."
        ) from error


def epoch_s(text: str) -> float | None:
    """Epoch seconds of a date and time in ISO 8601; None: it is none."""
    try:
        return datetime.fromisoformat(text.strip()).timestamp()  # without an offset: local time, as `iso` prints it
    except (ValueError, OverflowError, OSError):
        return None
