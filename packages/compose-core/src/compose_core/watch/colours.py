"""Which colour says what, in every view and command."""

from __future__ import annotations

import re

_SERVICES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_GOOD = frozenset({"COMPLETED", "ready", "running", "exited", "RUNNING"})
_BAD = frozenset({"failed", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "LOST", "BOOT_FAIL", "DEADLINE"})
_ODD = frozenset({"UNREACHABLE", "UNKNOWN", "CANCELLED", "PREEMPTED", "PENDING", "backoff", "unknown", "starting"})
_ERROR = re.compile(
    r"(?:error|exception)s?\b|\b(?:traceback|fatal|critical|panic|oom|out of memory|segfault)s?\b", re.IGNORECASE
)
_WARNING = re.compile(r"\bwarn(?:ing)?s?\b", re.IGNORECASE)
YELLOW_FROM, RED_FROM = 0.75, 0.90


def colour_of(service: str) -> str:
    """The same colour for the same name, in every command."""
    return _SERVICES[sum(service.encode("utf-8", "surrogatepass")) % len(_SERVICES)]


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
