"""The feed of a running job, with its threads, over files and a scheduler that says what it is told to say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compose_core.tracking.poller import Pace, Poller
from compose_core.watch import live
from compose_core.watch.live import LiveFeed
from compose_core.watch.model import JobView, Model
from compose_core.watch.update import Key, update
from tests.core.tracking.test_attempts import begin, log, tell
from tests.core.tracking.world import NOW, World, row

QUICK = Pace(first_s=0.0, longest_s=0.0, longest_silent_s=0.0, files_s=0.05)


class Viewer:
    """A view without a screen."""

    def __init__(self, world: World) -> None:
        self.clock = world.clock
        poller = Poller({"slurm": world.engine}, world.clock, pace=QUICK)
        poller.follow([world.record])
        self.feed = LiveFeed(world.record, poller, world.clock, refresh_s=0.02)
        self.model = Model(job=JobView(job_id="7"), hold="always")
        self.feed.start()

    def wait(self, reached: Callable[[Model], object]) -> Model:
        """Take events until it is true of the model."""
        deadline = time.monotonic() + 10
        while not reached(self.model):
            assert time.monotonic() < deadline, self.model
            for event in self.feed.events():
                self.model = update(self.model, event)
            self.feed.heed(self.model)
            self.clock.sleep(0.02)
            time.sleep(0.01)
        return self.model

    def press(self, key: str) -> None:
        """One key."""
        self.model = update(self.model, Key(key))
        self.feed.heed(self.model)

    @property
    def texts(self) -> list[str]:
        """What the log pane holds."""
        return [line.text for line in self.model.log.lines]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A job that runs."""
    monkeypatch.setattr(live, "METRICS_S", 0.05)
    world = World(tmp_path)
    world.engine.rows = [row("RUNNING", time_limit_s=1000)]
    begin(world, 0)
    tell(world, 0, "RUNNING")
    return world


@pytest.fixture
def viewer(world: World) -> Iterator[Viewer]:
    viewer = Viewer(world)
    yield viewer
    viewer.feed.stop()


def test_the_job_and_the_output_of_the_selected_service_are_seen(world: World, viewer: Viewer) -> None:
    log(world, 0, "hello\n")
    model = viewer.wait(lambda model: viewer.texts == ["hello"])
    assert (model.job.state, model.job.limit_s, model.selected) == ("RUNNING", 1000, "web")
    log(world, 0, "more\n")
    viewer.wait(lambda model: viewer.texts == ["hello", "more"])


def test_another_service_is_read_from_its_last_lines(world: World, viewer: Viewer) -> None:
    """And the first one again, when it is chosen again."""
    log(world, 0, "of web\n")
    viewer.wait(lambda model: viewer.texts == ["of web"])
    for key, name in (("j", "db"), ("k", "web")):
        viewer.press(key)
        assert viewer.texts == []
        if name == "web":
            viewer.wait(lambda model: viewer.texts == ["of web"])
    viewer.press("j")
    viewer.press("k")  # before anybody has looked at the other one
    viewer.wait(lambda model: viewer.texts == ["of web"])


def test_a_scheduler_that_does_not_answer_is_said_and_ends_nothing(world: World, viewer: Viewer) -> None:
    viewer.wait(lambda model: model.job.state == "RUNNING")
    world.engine.silent = True
    model = viewer.wait(lambda model: any("Unable to contact" in note for note in model.job.notes))
    assert (model.job.state, model.job.terminal) == ("RUNNING", False), "its own heartbeat is heard"
    world.clock.sleep(60)
    model = viewer.wait(lambda model: model.job.state.startswith("UNREACHABLE"))
    assert (model.job.stale, model.job.terminal, model.is_held) == (True, False, False)
    log(world, 0, "still here\n")
    viewer.wait(lambda model: "still here" in viewer.texts)
    world.engine.silent = False
    tell(world, 0, "COMPLETED")
    assert viewer.wait(lambda model: model.is_held).job.state == "COMPLETED"


def test_a_job_that_was_put_back_into_the_queue_is_followed_into_its_next_attempt(world: World, viewer: Viewer) -> None:
    log(world, 0, "first\n")
    viewer.wait(lambda model: viewer.texts == ["first"])
    tell(world, 0, "CANCELLED", cause="requeued")
    world.engine.rows = [row("PENDING", reason="BeginTime")]
    model = viewer.wait(lambda model: model.job.state == "PENDING")
    assert (model.job.notes[0], model.is_held) == ("waits: BeginTime", False)
    world.engine.rows = [row("RUNNING")]
    begin(world, 1)
    tell(world, 1, "RUNNING")
    log(world, 1, "again\n")
    model = viewer.wait(lambda model: viewer.texts[-1:] == ["again"])
    assert viewer.texts == ["first", "attempt 1", "again"]
    assert viewer.wait(lambda model: model.job.attempt == 1).job.state == "RUNNING"


def test_the_latest_figures_are_read_from_the_end_of_the_metrics(world: World, viewer: Viewer) -> None:
    folder = world.paths.job_dir / "attempts/0/metrics"
    folder.mkdir()
    (world.paths.job_dir / "metrics").symlink_to("attempts/0/metrics")
    rows = [
        {"sampled_at": NOW - 5 + number / 1e6, "node": "n1", "cpu_util_pct": number % 100} for number in range(20_000)
    ]
    (folder / "cpu.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows) + '{"torn')
    (folder / "gpu.jsonl").write_bytes(b"\xff\x00 no rows\n")
    assert viewer.wait(lambda model: model.metrics).metrics == "cpu 99 %"


def test_what_breaks_in_a_thread_is_raised_where_the_view_can_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_poller: Poller) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Poller, "look", broken)
    viewer = Viewer(world)
    with pytest.raises(ZeroDivisionError):
        viewer.wait(lambda model: False)
    viewer.feed.stop()


def test_a_job_that_is_over_is_not_looked_at_any_more(world: World, viewer: Viewer) -> None:
    tell(world, 0, "COMPLETED")
    viewer.wait(lambda model: model.is_held)
    asked = str(world.engine.counter)
    time.sleep(0.3)
    assert str(world.engine.counter) == asked


def test_an_array_shows_its_tasks_and_the_output_of_the_selected_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    folder = world.project.metadata_root.path
    world.record = world.add("9", array={"spec": "0-2"})
    world.engine.rows = [row("RUNNING", job_id=f"9_{number}") for number in range(3)]
    for number in range(3):
        logs = folder / f"9_{number}" / "logs"
        logs.mkdir(parents=True)
        (logs / "web.log").write_text(f"web of {number}\n")
        (logs / "db.log").write_text(f"db of {number}\n")
    viewer = Viewer(world)
    viewer.wait(lambda model: set(viewer.texts) == {"web of 0", "db of 0"})
    viewer.press("j")
    viewer.wait(lambda model: set(viewer.texts) == {"web of 1", "db of 1"})
    viewer.press("enter")
    model = viewer.wait(lambda model: viewer.texts == ["web of 1"])
    assert model.names == ("web", "db")
    viewer.press("escape")
    viewer.press("a")
    viewer.wait(lambda model: len(viewer.texts) == 6)
    assert {line.service for line in viewer.model.log.lines} == {f"{n}/{s}" for n in range(3) for s in ("web", "db")}
    viewer.feed.stop()
