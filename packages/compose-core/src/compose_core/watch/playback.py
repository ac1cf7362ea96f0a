"""Where a replay is, and where keys and time take it: pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from compose_core.watch.model import Replay

SPEEDS = (1.0, 10.0, 100.0)
SEEK_S = 5.0
Times = Sequence[float]
"""Of all events, in order."""


def played(replay: Replay, seconds: float) -> Replay:
    """After so many seconds of the reader's time; at the end it stops."""
    if not replay.is_playing or seconds <= 0:
        return replay
    return moved(replay, replay.at + seconds * replay.speed)


def moved(replay: Replay, at: float) -> Replay:
    """At this moment, or at the nearest one of the run."""
    at = max(replay.begin, min(at, replay.end))
    return replace(replay, at=at, is_playing=replay.is_playing and at < replay.end)


def pressed(replay: Replay, key: str, times: Times) -> Replay | None:
    """After the key; None: it means nothing to a replay."""
    act = _KEYS.get(key)
    return act(replay, times) if act else None


def _toggled(replay: Replay, _times: Times) -> Replay:
    """Played on; from its end it begins anew."""
    if not replay.is_playing and replay.at >= replay.end:
        return replace(replay, at=replay.begin, is_playing=replay.begin < replay.end)
    return replace(replay, is_playing=not replay.is_playing)


def _faster(replay: Replay, _times: Times) -> Replay:
    return replace(replay, speed=next((speed for speed in SPEEDS if speed > replay.speed), replay.speed))


def _slower(replay: Replay, _times: Times) -> Replay:
    return replace(replay, speed=next((speed for speed in reversed(SPEEDS) if speed < replay.speed), replay.speed))


def _to_next_event(replay: Replay, times: Times) -> Replay:
    place = bisect_right(times, replay.at)
    return moved(replay, times[place]) if place < len(times) else moved(replay, replay.end)


def _to_previous_event(replay: Replay, times: Times) -> Replay:
    place = bisect_left(times, replay.at)
    return moved(replay, times[place - 1]) if place else moved(replay, replay.begin)


_KEYS: dict[str, Callable[[Replay, Times], Replay]] = {
    " ": _toggled,
    **dict.fromkeys(("+", "="), _faster),
    **dict.fromkeys(("-", "_"), _slower),
    "left": lambda replay, _times: moved(replay, replay.at - SEEK_S),
    "right": lambda replay, _times: moved(replay, replay.at + SEEK_S),
    "[": _to_previous_event,
    "]": _to_next_event,
    "home": lambda replay, _times: moved(replay, replay.begin),
    "end": lambda replay, _times: moved(replay, replay.end),
}
