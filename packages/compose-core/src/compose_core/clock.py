"""The only source of time: epoch seconds for records, a monotonic clock for waiting."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol


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


def local_time(epoch_s: float) -> str:
    """The time on this machine's wall, to the second: `2026-01-31 12:00:00`."""
    return datetime.fromtimestamp(epoch_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def with_readable_times(value: Any) -> Any:
    """The report with every `…_at` figure as ISO 8601 with the offset of this machine's zone."""
    if isinstance(value, Mapping):
        return {key: iso(item) if _is_time(key, item) else with_readable_times(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_readable_times(item) for item in value]
    return value


def _is_time(key: object, value: object) -> bool:
    return isinstance(key, str) and key.endswith("_at") and isinstance(value, int | float) and value is not True
