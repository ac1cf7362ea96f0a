"""A run in the view of a live job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compose_core.watch.replay import ReplayUpdate, first_model
from compose_core.watch.replay_feed import ReplayFeed

if TYPE_CHECKING:
    from compose_core.clock import Clock
    from compose_core.watch.run_history import RunHistory


def show_replay(
    history: RunHistory, clock: Clock, services: Sequence[str], *, speed: float, at: float | None = None
) -> int:
    """Until the person leaves; gives the exit status."""
    from compose_core.watch.app import Ended, show

    record, timeline = history.record, history.timeline
    first = first_model(record, timeline, speed=speed, at=at, only=tuple(services))
    try:
        show(first, ReplayFeed(history, clock, only=services), update=ReplayUpdate(record, timeline))
    except Ended as end:
        return 128 + end.number
    return 0
