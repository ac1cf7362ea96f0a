"""The only source of time: epoch seconds for records, a monotonic clock for waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, and a way to let some pass."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back; only differences mean something."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def iso(epoch_s: float) -> str:
    """ISO 8601 with the offset of this machine's zone, to the second: `2026-01-31T12:00:00+01:00`."""
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().isoformat(timespec="seconds")
