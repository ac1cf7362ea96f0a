"""Which colour says what, in every view and command."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SERVICES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_GOOD = frozenset({"COMPLETED", "ready", "running", "exited", "RUNNING"})
_BAD = frozenset({"failed", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "LOST", "BOOT_FAIL", "DEADLINE"})
_ODD = frozenset({"UNREACHABLE", "UNKNOWN", "CANCELLED", "PREEMPTED", "PENDING", "backoff", "unknown", "starting"})
_ERROR = re.compile(
    r"(?:error|exception)s?\b|\b(?:traceback|fatal|critical|panic|oom|out of memory|segfault)s?\b", re.IGNORECASE
)
_WARNING = re.compile(r"\bwarn(?:ing)?s?\b", re.IGNORECASE)
YELLOW_FROM, RED_FROM = 0.75, 0.90


def service_colours(services: Sequence[str]) -> dict[str, str]:
    """A colour for each service of a job, another one for each as long as there are enough; the same in every command."""
    chosen, free = dict[str, str](), list(_SERVICES)
    for service in services:
        liked = colour_of(service)
        colour = liked if liked in free or not free else free[0]
        chosen[service] = colour
        if colour in free:
            free.remove(colour)
    return chosen


def colour_of(service: str) -> str:
    """The colour that a name likes best."""
    return _SERVICES[sum(service_of(service).encode("utf-8", "surrogatepass")) % len(_SERVICES)]


def service_of(log: str) -> str:
    """The service behind the number of its task: `app` of `3/app`."""
    return log.rpartition("/")[2]


def colour_of_state(state: str) -> str:
    """Of a job's or a service's state; further words after the first one do not count."""
    word = state.partition(" ")[0]
    if word in _BAD:
        return "red"
    if word in _ODD:
        return "yellow"
    return "green" if word in _GOOD else ""


def colour_of_line(text: str) -> str:
    """Of a line of output: what looks like an error or a warning stands out."""
    if _ERROR.search(text):
        return "red"
    return "yellow" if _WARNING.search(text) else ""


def colour_of_share(share: float) -> str:
    """Of a limit that is used up to this share."""
    if share >= RED_FROM:
        return "red"
    return "yellow" if share >= YELLOW_FROM else "green"
