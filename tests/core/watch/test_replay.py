"""A replay in the view: what keys and time make of the screen, and what the feed reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.testing import FakeClock
from compose_core.watch.model import Model
from compose_core.watch.replay import ReplayUpdate, first_model
from compose_core.watch.replay_feed import ReplayFeed
from compose_core.watch.run_history import RunHistory
from compose_core.watch.update import Event, Key, Resized
from compose_core.watch.view import view
from tests.core.tracking.world import World

T = 1_700_000_000.0


def write_run(world: World, *, web_fails: bool = True) -> None:
    """A run of a minute: web is restarted once, db runs on."""
    rows: list[dict[str, Any]] = [
        {"at": T, "event": "job_started", "attempt": 0},
        {"at": T + 1, "event": "started", "service": "db", "pid": 11},
        {"at": T + 2, "event": "started", "service": "web", "pid": 12},
        {"at": T + 20, "event": "exited", "service": "web", "exit_code": 3},
        {"at": T + 20, "event": "backoff", "service": "web", "seconds": 10, "restart_count": 1},
        {"at": T + 30, "event": "restarted", "service": "web", "pid": 13, "restart_count": 1},
        {"at": T + 50, "event": "exited", "service": "web", "exit_code": 3},
        {"at": T + 60, "event": "finished", "cause": "service_failed", "exit_code": 3, "job_status": "FAILED"},
    ]
    world.paths.logs.path.mkdir(parents=True, exist_ok=True)
    (world.paths.folder.path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    services = [
        {"service_name": "web", "status": "failed", "last_exit_code": 3, "restart_count": 1},
        {"service_name": "db", "status": "stopped", "last_exit_code": 143, "last_signal": 15},
    ]
    world.write_state("FAILED", services=services, started_at=T, finished_at=T + 60, heartbeat_at=T + 60)
    lines = "".join(f"web {number:02d}\n" for number in range(50))
    world.paths.log("web").path.write_text(lines)
    index = "".join(json.dumps({"at": T + 5 * n, "offset": 7 * 5 * n}) + "\n" for n in range(1, 11))
    world.paths.log_index("web").path.write_text(index)
    world.paths.metrics.path.mkdir()
    cpu = [{"sampled_at": T + n, "node": "n1", "cpu_util_pct": n, "core_count": 4} for n in range(0, 60, 5)]
    (world.paths.metrics.path / "cpu.jsonl").write_text("".join(json.dumps(row) + "\n" for row in cpu))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    write_run(world)
    return world


class Screen:
    """The view as its app drives it: keys, time, and the feed."""

    def __init__(self, world: World, **options: Any) -> None:
        self.history = RunHistory(world.record)
        self.clock = FakeClock()
        self.model: Model = first_model(world.record, self.history.timeline, **options)
        self.feed = ReplayFeed(self.history, self.clock)
        self.update = ReplayUpdate(world.record, self.history.timeline)
        self.feed.start()
        self.heed(Resized(100, 24))
        self.wait(0)

    def heed(self, *events: Event) -> None:
        for event in events:
            self.model = self.update(self.model, event)
        self.feed.heed(self.model)

    def wait(self, seconds: float) -> None:
        """Time passes, and the feed is asked twice: for the moment, then for what belongs to it."""
        self.clock.advance(seconds)
        for _ in range(2):
            self.heed(*self.feed.events())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.heed(Key(key))
        self.wait(0)

    @property
    def text(self) -> str:
        return "\n".join(line.plain for line in view(self.model, 100, 24))

    @property
    def at(self) -> float:
        assert self.model.replay is not None
        return self.model.replay.at - T

    def status(self, name: str) -> str:
        return next(service.status for service in self.model.job.services if service.name == name)


def test_it_plays_from_the_beginning_at_the_speed_asked_for(world: World) -> None:
    """Services, figures and output are those of the moment."""
    screen = Screen(world, speed=10)
    assert (screen.at, screen.status("web"), screen.model.metrics) == (0, "waiting", "cpu 0 % of 4 cores")
    screen.wait(1.2)
    assert (screen.at, screen.status("web"), screen.status("db")) == (12, "running", "running")
    assert screen.model.metrics == "cpu 10 % of 4 cores"
    assert [line.text for line in screen.model.log.lines][-1] == "web 09"
    screen.wait(100)
    assert (screen.at, screen.model.job.state) == (60, "FAILED (exit 3)")
    assert screen.model.replay is not None
    assert not screen.model.replay.is_playing
    assert [line.text for line in screen.model.log.lines][-1] == "web 49"


def test_keys_go_through_the_run(world: World) -> None:
    """Five seconds, event by event, to its ends; Space stops and goes on."""
    screen = Screen(world, at=T + 21)
    assert (screen.at, screen.status("web")) == (21, "backoff")
    screen.wait(50)
    assert screen.at == 21
    screen.press("]")
    assert (screen.at, screen.status("web")) == (30, "running")
    screen.press("[", "[")
    assert (screen.at, screen.status("web")) == (2, "running")
    screen.press("right", "right", "left")
    assert screen.at == 7
    screen.press("end")
    assert (screen.at, screen.status("web"), screen.status("db")) == (60, "failed", "stopped")
    screen.press("home", " ", "+")
    screen.wait(2)
    assert screen.at == 20
    screen.press(" ")
    screen.wait(2)
    assert screen.at == 20


def test_the_screen_shows_that_it_is_a_replay(world: World) -> None:
    """With its place in the run, and the latest event."""
    screen = Screen(world, at=T + 25)
    assert "REPLAY" in screen.text
    assert "25s of 1m00s" in screen.text
    assert "event 5 of 8: web backoff" in screen.text
    assert "cpu 25 % of 4 cores" in screen.text


def test_services_can_be_chosen_filtered_and_shown_together(world: World) -> None:
    """As in the live view; typing a filter types, whatever keys mean otherwise."""
    screen = Screen(world, at=T + 25)
    screen.press("j")
    assert (screen.model.selected, screen.model.log.lines) == ("db", ())
    screen.press("a")
    assert [line.text for line in screen.model.log.lines][-1] == "web 24"
    screen.press("/", "w", "[", " ")
    assert (screen.model.typing, screen.at) == ("w[ ", 25)
    screen.press("backspace", "backspace", "enter")
    assert screen.model.names == ("web",)


def test_the_log_stays_where_it_was_scrolled_to(world: World) -> None:
    """Until the person scrolls down again or chooses another one; the run goes on meanwhile."""
    screen = Screen(world, speed=1, at=T + 40)
    screen.press(" ", "pageup")
    shown = screen.model.log.lines
    screen.wait(12)
    assert screen.at == 52
    assert screen.model.log.lines == shown
    screen.press(*["pagedown"] * 5)
    assert screen.model.log.lines[-1].text == "web 49"
    screen.press("pageup", "j", "k")
    assert not screen.model.log.is_paused


def test_without_events_the_screen_says_what_is_inferred(world: World) -> None:
    """For as long as it is."""
    (world.paths.folder.path / "events.jsonl").unlink()
    exits = world.paths.exits("web").path
    exits.parent.mkdir()
    exits.write_text(f'{{"service": "web", "exit_code": 3, "at_unix": {T + 20}}}\n')
    world.write_state(
        "FAILED",
        started_at=T,
        finished_at=T + 60,
        services=[{"service_name": "web", "status": "failed", "started_at": T + 30, "finished_at": T + 50}],
    )
    screen = Screen(world, at=T + 10)
    assert "best effort: inferred: web" in screen.text
    assert screen.status("web") == "running"
    screen.press("end")
    assert screen.status("web") == "failed"
