"""When a failed service may start again, and what depends on what."""

from typing import Dict, List, Optional, Set, Tuple

from compose_core.supervisor.talk import Refused


class RestartWindow:
    """Counts the restarts of one service against its lifetime cap and its rolling window."""

    def __init__(self, max_restarts: Optional[int], window_s: Optional[float], max_in_window: Optional[int]) -> None:
        self.max_restarts = max_restarts
        self.window_s = window_s
        self.max_in_window = max_in_window
        self.restart_count = 0
        self._failures: List[Tuple[float, float]] = []

    def on_failure(self, now: float, at: float) -> str:
        """`restart` (counted), `gave_up` (lifetime cap) or `window_exhausted`; `now` is monotonic, `at` the epoch."""
        self._forget(now)
        if self.max_restarts is not None and self.restart_count >= self.max_restarts:
            return "gave_up"
        if self.max_in_window is not None and len(self._failures) >= self.max_in_window:
            return "window_exhausted"
        self._failures.append((now, at))
        self.restart_count += 1
        return "restart"

    def timestamps(self, now: float) -> List[float]:
        """Epoch seconds of the failures that still count."""
        self._forget(now)
        return [at for _, at in self._failures]

    def _forget(self, now: float) -> None:
        if self.window_s is not None:
            self._failures = [pair for pair in self._failures if now - pair[0] < self.window_s]


class DependencyGraph:
    """Which service waits for which, directly and in the end."""

    def __init__(self, depends_on: Dict[str, List[Tuple[str, str]]]) -> None:
        self._above: Dict[str, Set[str]] = {name: set() for name in depends_on}
        below: Dict[str, Set[str]] = {}
        while len(below) < len(depends_on):
            before = len(below)
            for name, needs in depends_on.items():
                unknown = [needed for needed, _ in needs if needed not in depends_on]
                if unknown:
                    raise Refused("service {} depends on {}, which this job does not have".format(name, unknown[0]))
                if name not in below and all(needed in below for needed, _ in needs):
                    below[name] = set().union(*({needed} | below[needed] for needed, _ in needs))
            if len(below) == before:
                raise Refused("services wait for each other: {}".format(", ".join(set(depends_on) - set(below))))
        for name, needs_of in below.items():
            for needed in needs_of:
                self._above[needed].add(name)

    def dependents(self, name: str) -> Set[str]:
        """Every service that needs `name`, directly or through others: it is stopped before `name`."""
        return self._above[name]
