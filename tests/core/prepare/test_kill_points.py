"""Makers of images that are killed at any step, race, sleep for long or lose their lease: never a half image, never two."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from compose_core.clock import SystemClock
from compose_core.cluster import lease as leases
from compose_core.cluster.lease import lease
from compose_core.cluster.process_identity import Life, ProcessIdentity
from compose_core.plan import Plan
from compose_core.prepare import make_ready, publishing
from compose_core.prepare.found import cached_image, is_intact
from compose_core.prepare.make_ready import Progress, Ready
from compose_core.records.atomic import create_file
from compose_core.records.cached_image import CachedImage
from compose_core.records.json_text import json_bytes
from compose_core.records.our_path import OurPath
from compose_core.records.paths import image_lease
from tests.core.prepare.world import World

PREPARE = {"x-runtime": {"prepare": {"commands": ["pip install redis"]}}}
WHOLE = "docker://app:1"
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate", "subprocess.Popen"}
_MOST_POINTS = 200


def in_child(action: Callable[[], object]) -> int:
    """Start the action in a process of its own; its pid."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return child


def killed_at(point: int, action: Callable[[], object]) -> bool:
    """The action in a process that is killed before its n-th change on disk; False: it had fewer."""

    def run() -> None:
        seen = 0
        turn = threading.Lock()

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY)
            if event in _CHANGES or opens:
                with turn:
                    seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        action()

    status = os.waitstatus_to_exitcode(os.waitpid(in_child(run), 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status != 0


def leftovers(world: World) -> list[str]:
    """What no finished preparation leaves."""
    return [str(path) for path in world.cache_dir.rglob("*") if path.suffix == ".lease"] + [
        str(path) for path in world.cache.building.path.iterdir()
    ]


def assert_nothing_half(world: World, plan: Plan) -> None:
    """What looks finished is whole."""
    for image in plan.images:
        for file in (image.base, image.prepared):
            if file is not None and (record := cached_image(world.cache.image(file.path), key=file.key).record):
                assert is_intact(world.cache.image(file.path), record)
                expected = WHOLE if file is image.base else f"{WHOLE}+pip install redis"
                assert world.content(file.path) == expected


def kill_at_every_step(tmp_path: Path, service: dict[str, object], expected: str) -> int:
    for point in range(1, _MOST_POINTS):
        (tmp_path / str(point)).mkdir()
        world = World(tmp_path / str(point))
        plan = world.plan({"app": service})
        was_killed = killed_at(point, lambda world=world, plan=plan: world.maker().make_ready(plan.images))  # type: ignore[misc]
        assert_nothing_half(world, plan)
        world.maker().make_ready(plan.images)
        assert world.content(plan.images[0].runtime_path) == expected, point
        assert_nothing_half(world, plan)
        assert leftovers(world) == [], point
        if not was_killed:
            return point
    raise AssertionError("there are more steps than expected")


def test_an_import_killed_at_any_step_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    assert kill_at_every_step(tmp_path, {"image": "app:1"}, WHOLE) >= 20


@pytest.mark.faults
def test_a_build_killed_at_any_step_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    assert kill_at_every_step(tmp_path, {"image": "app:1", **PREPARE}, f"{WHOLE}+pip install redis") >= 40


def race(world: World, processes: int, kills: int, seed: int) -> None:
    """So many processes prepare one key; some are killed at random times, the others all have the whole image."""
    chance = random.Random(seed)
    plan = world.plan({"app": {"image": "app:1", **PREPARE}})
    prepared = plan.images[0].runtime_path
    published = world.folder / "published"

    def run() -> None:
        publish = publishing.publish

        def noted(made: Path, file: OurPath, record: CachedImage) -> None:
            publish(made, file, record)
            with published.open("a") as log:
                log.write(f"{file.name}\n")

        setattr(make_ready, "publish", noted)  # noqa: B010 - in this child alone
        world.maker(on_progress=lambda _: None).make_ready(plan.images)
        assert world.content(prepared) == f"{WHOLE}+pip install redis"

    children = [in_child(run) for _ in range(processes)]
    victims = set(children[:kills])
    for victim in victims:
        time.sleep(chance.uniform(0, 0.15))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 90
    statuses: dict[int, int] = {}
    while len(statuses) < processes and time.monotonic() < deadline:
        for child in set(children) - set(statuses):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                statuses[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    for child in set(children) - set(statuses):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert len(statuses) == processes, f"deadlock, seed {seed}"
    assert {status for child, status in statuses.items() if child not in victims} == {0}, seed
    names = published.read_text().split() if published.exists() else []
    assert len(names) == len(set(names)), f"made twice, seed {seed}: {names}"
    assert_nothing_half(world, plan)
    assert leftovers(world) == [], seed


def test_processes_that_prepare_one_image_and_are_killed_make_it_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.folder / "slow").write_text("0.05")
    race(world, processes=8, kills=5, seed=4)


def test_who_waited_for_a_maker_that_was_killed_after_it_published_tidies_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    plan = world.plan({"app": {"image": "app:1"}})
    somebody_waits = world.folder / "somebody-waits"

    def publish_and_die() -> None:
        publish = publishing.publish

        def then_die(made: Path, file: OurPath, record: CachedImage) -> None:
            while not somebody_waits.exists():
                time.sleep(0.01)
            publish(made, file, record)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(make_ready, "publish", then_die)  # noqa: B010 - in this child alone
        world.maker(on_progress=lambda _: None).make_ready(plan.images)

    def note(progress: Progress) -> None:
        if progress.kind == "waiting":
            somebody_waits.touch()

    maker = in_child(publish_and_die)
    deadline = time.monotonic() + 60
    while not any(world.cache_dir.rglob("*.lease")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    world.maker(on_progress=note).make_ready(plan.images)
    assert os.waitstatus_to_exitcode(os.waitpid(maker, 0)[1]) == -signal.SIGKILL
    assert somebody_waits.exists()
    assert_nothing_half(world, plan)
    assert leftovers(world) == []


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_many_processes_that_are_killed_make_an_image_once(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path)
    (world.folder / "slow").write_text("0.05")
    race(world, processes=32, kills=24, seed=seed)


def test_the_program_of_a_killed_maker_is_ended_by_the_next(world: World) -> None:
    """It would go on writing into the image that is made now."""
    (world.folder / "slow").write_text("300")
    plan = world.plan({"app": {"image": "app:1"}})
    child = in_child(lambda: world.maker().make_ready(plan.images))
    deadline = time.monotonic() + 60
    while not (world.folder / "asked.jsonl").exists() or not world.pids():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (pid,) = world.pids()
    orphan = ProcessIdentity.of(pid, host="here")
    assert orphan is not None
    (log,) = world.cache.building.path.glob("*/log.txt")
    with subprocess.Popen(["tail", "-f", log], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as reader:
        (world.folder / "slow").unlink()
        assert [item.how for item in world.maker().make_ready(plan.images)] == ["imported"]
        assert orphan.life(host="here") is Life.DEAD
        assert reader.poll() is None
        reader.terminate()
    assert leftovers(world) == []


def foreign_lease(world: World, plan: Plan, *, age_s: float) -> OurPath:
    """The lease of a process on another host, which renewed it last so long ago."""
    file = image_lease(world.cache.image(plan.images[0].runtime_path))
    identity = {"pid": 4711, "start_ticks": 1, "boot_id": "another", "host": "other-host"}
    assert create_file(file, json_bytes({"schema_version": 1, "nonce": "n", **identity}))
    then = time.time() - age_s
    os.utime(file, (then, then))
    return file


class PatientClock(SystemClock):
    """Counts the sleeps; the other host falls silent for good after some."""

    def __init__(self, file: OurPath, silent_after: int) -> None:
        self.sleeps = 0
        self._file = file
        self._silent_after = silent_after

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        if self.sleeps == self._silent_after:
            then = time.time() - leases.SILENCE_S - 5
            os.utime(self._file, (then, then))


def test_the_lease_of_another_host_is_waited_for_until_it_is_silent_for_long(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    file = foreign_lease(world, plan, age_s=leases.SILENCE_S - 60)
    clock = PatientClock(file, silent_after=5)
    assert [item.how for item in world.maker(clock=clock).make_ready(plan.images)] == ["imported"]
    assert clock.sleeps >= 5
    assert [item.message for item in world.seen if item.kind == "waiting"] == ["process 4711 on other-host makes it"]
    assert leftovers(world) == []


def taken_over(world: World, plan: Plan) -> list[Ready]:
    """What another host does when the holder is silent: it sets the lease aside and makes the image."""
    file = image_lease(world.cache.image(plan.images[0].runtime_path))
    then = time.time() - leases.SILENCE_S - 5
    os.utime(file, (then, then))
    return list(world.maker(host="other-host", on_progress=lambda _: None).make_ready(plan.images))


@pytest.mark.parametrize("when", ["unpacking", "publishing", "recording"])
def test_a_holder_that_wakes_up_after_its_lease_was_taken_does_no_harm(
    world: World, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspended while a program runs, before the rename, and between the rename and the record."""
    plan = world.plan({"app": {"image": "app:1"}})
    file = world.cache.image(plan.images[0].runtime_path)
    others: list[Ready] = []
    sleeps = [when]

    def sleep_for_long() -> None:
        if sleeps:
            sleeps.clear()
            others.extend(taken_over(world, plan))

    def on_progress(progress: make_ready.Progress) -> None:
        if when == "unpacking" and progress.kind == "step":
            sleep_for_long()

    if when != "unpacking":
        content_of, replace = publishing.content_of, CachedImage.replace

        def content_then_sleep(made: Path) -> object:
            content = content_of(made)
            if when == "publishing":
                sleep_for_long()
            return content

        def sleep_then_record(record: CachedImage, path: OurPath) -> None:
            if when == "recording" and sleeps:
                os.utime(file, (1, 1))  # this one was made long before
                object.__setattr__(record, "modified_at", 1)
                sleep_for_long()
            replace(record, path)

        monkeypatch.setattr(make_ready, "content_of", content_then_sleep)
        monkeypatch.setattr(CachedImage, "replace", sleep_then_record)
    world.maker(on_progress=on_progress).make_ready(plan.images)
    assert [item.how for item in others] == ["imported"]
    found = cached_image(file, key=str(plan.images[0].base and plan.images[0].base.key))
    if when == "recording":
        assert found.state == "unusable"  # not taken for the other's image; the next one makes it anew
        world.maker().make_ready(plan.images)
        found = cached_image(file, key=str(plan.images[0].base and plan.images[0].base.key))
    assert found.record is not None
    assert is_intact(file, found.record)
    assert leftovers(world) == []


def test_of_many_that_take_over_one_dead_lease_one_has_it_at_a_time(tmp_path: Path) -> None:
    """Each holder looks whether somebody else is inside; its lease is never moved away from it."""
    for number in range(15):
        file = OurPath(tmp_path, (f"{number}.lease",))
        inside, clashes = tmp_path / f"{number}.inside", tmp_path / f"{number}.clashes"
        identity = {"pid": 2**22, "start_ticks": 1, "boot_id": "an earlier boot", "host": "here"}
        create_file(file, json_bytes({"schema_version": 1, "nonce": "n", **identity}))

        def hold(file: OurPath = file, inside: Path = inside, clashes: Path = clashes) -> None:
            with lease(file, SystemClock(), host="here", go_on=lambda _: True, poll_s=0.005) as held:
                try:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    clashes.touch()
                time.sleep(0.002)
                if held is None or not held.is_ours():
                    clashes.touch()
                inside.unlink(missing_ok=True)

        children = [in_child(hold) for _ in range(6)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert statuses == [0] * 6
        assert not clashes.exists()


def test_what_a_prepare_command_leaves_running_ends_with_it(world: World) -> None:
    """A server started in the background would hold the root file system that is packed next."""
    server = world.folder / "server"
    text = world.enroot.read_text()
    fork = 'pid = os.fork()\n    if pid == 0: time.sleep(300)\n    (world / "server").write_text(str(pid))'
    world.enroot.write_text(text.replace('"start":', f'"start":\n    {fork}'))
    world.maker().make_ready(world.plan({"app": {"image": "app:1", **PREPARE}}).images)
    assert ProcessIdentity.of(int(server.read_text()), host="here") is None
