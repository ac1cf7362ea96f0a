"""The feed of a replay: time that passes, and the figures and lines that belong to the moment."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.clock import Clock
from compose_core.watch.model import LogChoice, Model
from compose_core.watch.playback import played
from compose_core.watch.run_history import RunHistory
from compose_core.watch.update import Event, MetricsSeen, OutputSeen, Ticked

LINES = 2000
"""So far back the log can be scrolled."""
LINES_OF_EACH = 200
"""Where the logs of several services are shown."""


class ReplayFeed:
    """Reads what the model's moment asks for, when it is another one than before."""

    def __init__(self, history: RunHistory, clock: Clock, *, only: Sequence[str] = ()) -> None:
        self._history = history
        self._clock = clock
        self._only = tuple(only)
        self._model: Model | None = None
        self._seen_at = 0.0
        self._sampled: tuple[int, ...] | None = None
        self._read: tuple[LogChoice, tuple[int, ...]] | None = None

    def start(self) -> None:
        self._seen_at = self._clock.monotonic()

    def heed(self, model: Model) -> None:
        self._model = model

    def stop(self) -> None:
        self._model = None

    def events(self) -> list[Event]:
        now = self._clock.monotonic()
        passed, self._seen_at = now - self._seen_at, now
        model = self._model
        if model is None or model.replay is None:
            return []
        found: list[Event] = []
        at = played(model.replay, passed).at
        if model.replay.is_playing:
            found.append(Ticked(at))
        found += self._figures(at)
        found += self._output(model, at)
        return found

    def _figures(self, at: float) -> list[Event]:
        place = self._history.sample_place(at)
        if place == self._sampled:
            return []
        self._sampled = place
        return [MetricsSeen(self._history.metrics_line(at))]

    def _output(self, model: Model, at: float) -> list[Event]:
        """Other lines; none while somebody reads what the log held before."""
        services = self._services(model)
        place = (model.choice, self._history.log_place(services, at))
        is_read = self._read is not None and self._read[0] == model.choice and model.log.is_paused
        if place == self._read or is_read:
            return []
        self._read = place
        count = LINES if len(services) == 1 else LINES_OF_EACH
        lines = self._history.log_lines(services, at, count)
        return [OutputSeen(choice=model.choice, lines=tuple(lines), is_fresh=True)]

    def _services(self, model: Model) -> tuple[str, ...]:
        if model.choice.service is not None:
            return (model.choice.service,)
        return self._only or tuple(service.name for service in model.job.services)
