"""A clock that moves only when a test says so, or when somebody sleeps on it."""

from __future__ import annotations

from compose_core.clock import Clock

START_EPOCH_S = 1_800_000_000.0


class FakeClock(Clock):
    """Starts on 2027-01-15 08:00 UTC; sleeping returns at once and lets the time pass."""

    def __init__(self, now_epoch_s: float = START_EPOCH_S) -> None:
        self._wall_s = now_epoch_s
        self._monotonic_s = 1000.0
        self.slept_s = 0.0
        """How long everybody together has slept."""

    def now(self) -> float:
        return self._wall_s

    def monotonic(self) -> float:
        return self._monotonic_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += max(0.0, seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall_s += max(0.0, seconds)
        self._monotonic_s += max(0.0, seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back; no time passes."""
        self._wall_s += seconds
