"""Where time and keys take a replay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose_core.watch.model import Replay
from compose_core.watch.playback import SPEEDS, moved, played, pressed

TIMES = (100.0, 103.0, 103.0, 150.0, 200.0)
AT_REST = Replay(at=100, begin=100, end=200)


def test_time_passes_at_the_speed_that_was_chosen() -> None:
    """Only while it is playing; at the end it stops."""
    playing = replace(AT_REST, is_playing=True, speed=10)
    assert played(AT_REST, 3) == AT_REST
    assert played(playing, 3).at == 130
    end = played(playing, 1000)
    assert (end.at, end.is_playing) == (200, False)
    assert played(playing, -5) == playing


@pytest.mark.parametrize(
    ("at", "key", "expected"),
    [
        (100, "]", 103),
        (103, "]", 150),
        (199, "]", 200),
        (200, "]", 200),
        (200, "[", 150),
        (150, "[", 103),
        (103, "[", 100),
        (100, "[", 100),
        (120, "[", 103),
        (120, "left", 115),
        (120, "right", 125),
        (102, "left", 100),
        (198, "right", 200),
        (150, "home", 100),
        (150, "end", 200),
    ],
)
def test_keys_move_within_the_run(at: float, key: str, expected: float) -> None:
    """From event to event, by five seconds, to its ends."""
    after = pressed(replace(AT_REST, at=at), key, TIMES)
    assert after is not None
    assert after.at == expected


def test_speeds_go_up_and_down_by_presets() -> None:
    """Also from a speed that is none of them."""
    replay = replace(AT_REST, speed=3)
    seen = []
    for key in "+++---":
        replay = pressed(replay, key, TIMES) or replay
        seen.append(replay.speed)
    assert seen == [SPEEDS[1], SPEEDS[2], SPEEDS[2], SPEEDS[1], SPEEDS[0], SPEEDS[0]]


def test_space_plays_pauses_and_begins_anew_at_the_end() -> None:
    """A run of one moment is over at once."""
    playing = pressed(AT_REST, " ", TIMES)
    assert playing == replace(AT_REST, is_playing=True)
    assert pressed(playing, " ", TIMES) == AT_REST
    assert pressed(replace(AT_REST, at=200), " ", TIMES) == replace(AT_REST, is_playing=True)
    moment = Replay(at=5, begin=5, end=5)
    assert pressed(moment, " ", (5.0,)) == moment
    assert pressed(AT_REST, "x", TIMES) is None
    assert moved(replace(AT_REST, is_playing=True), 150).is_playing
