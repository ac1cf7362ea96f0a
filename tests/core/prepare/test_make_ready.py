"""Images made ready by an `enroot` that notes what it is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compose_core.clock import SystemClock
from compose_core.cluster.lease import lease
from compose_core.errors import EnvironmentProblem
from compose_core.prepare.make_ready import PrepareFailed, verified_images
from compose_core.records.cached_image import CachedImage
from compose_core.records.paths import image_lease, image_record
from tests.core.prepare.world import World, damaged

PREPARE = {"x-runtime": {"prepare": {"commands": ["pip install redis", "true"], "env": {"MY_TOKEN": "s3cret"}}}}


def test_a_remote_image_is_imported_customised_and_used_again(world: World) -> None:
    plan = world.plan({"app": {"image": "registry.example.org/team/app:1", **PREPARE}})
    first = world.maker().make_ready(plan.images)
    assert [(item.decision.kind, item.how) for item in first] == [("base", "imported"), ("prepared", "built")]
    assert [words[0] for words in world.asked()] == ["import", "create", "start", "start", "export"]
    assert world.asked("import")[0][-1] == "docker://registry.example.org#team/app:1"
    path = plan.images[0].runtime_path
    assert world.content(path) == "docker://registry.example.org#team/app:1+pip install redis+true"
    assert Path(path).stat().st_mode & 0o077 == 0
    asked = len(world.asked())
    second = world.maker().make_ready(plan.images)
    assert [item.how for item in second] == ["reused"]
    assert len(world.asked()) == asked
    assert list(world.cache.building.path.iterdir()) == []


def test_the_value_of_a_prepare_variable_is_no_argument_and_in_no_record(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1", **PREPARE}})
    world.maker().make_ready(plan.images)
    assert all("s3cret" not in word for words in world.asked() for word in words)
    assert '"token": "s3cret"' in (world.folder / "asked.jsonl").read_text()
    for file in world.cache_dir.rglob("*.json"):
        assert "s3cret" not in file.read_text()


def test_a_changed_command_builds_its_own_image_only(world: World) -> None:
    world.maker().make_ready(world.plan({"a": {"image": "a:1", **PREPARE}, "b": {"image": "b:1"}}).images)
    changed = {"x-runtime": {"prepare": {"commands": ["other"]}}}
    plan = world.plan({"a": {"image": "a:1", **changed}, "b": {"image": "b:1"}})
    done = world.maker().make_ready(plan.images)
    assert sorted((item.decision.kind, item.how) for item in done) == [
        ("base", "reused"),
        ("base", "reused"),
        ("prepared", "built"),
    ]


def test_force_makes_them_anew(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    world.maker().make_ready(plan.images)
    done = world.maker().make_ready(plan.images, force=True)
    assert [item.how for item in done] == ["imported"]
    assert len(world.asked("import")) == 2


def test_an_import_that_fails_tells_the_last_lines_and_leaves_no_half_image(world: World) -> None:
    world.trouble("import", "[ERROR] URL returned error code: 401 Unauthorized")
    plan = world.plan({"app": {"image": "app:1"}, "other": {"image": "other:1"}})
    with pytest.raises(PrepareFailed) as caught:
        world.maker().make_ready(plan.images)
    assert len(caught.value.problems) == 2
    assert "401 Unauthorized" in str(caught.value)
    assert ".credentials" in caught.value.problems[0].remedy
    assert [path for path in world.cache_dir.rglob("*") if path.is_file()] == []


def test_a_prepare_command_that_fails_is_named_and_its_folder_kept_on_request(world: World) -> None:
    world.trouble("start", "ERROR: No matching distribution")
    plan = world.plan({"app": {"image": "app:1", **PREPARE}})
    with pytest.raises(PrepareFailed, match="pip install redis") as caught:
        world.maker(keep_failed=True).make_ready(plan.images)
    (kept,) = world.cache.building.path.iterdir()
    assert str(kept) in caught.value.details
    assert (kept / "data" / "rootfs" / "content").exists()
    assert not Path(plan.images[0].runtime_path).exists()


def test_what_is_no_image_is_not_published(world: World) -> None:
    text = world.enroot.read_text().replace('b"hsqs"', 'b"oops"')
    world.enroot.write_text(text)
    plan = world.plan({"app": {"image": "app:1"}})
    with pytest.raises(PrepareFailed, match="does not begin as a squashfs"):
        world.maker().make_ready(plan.images)
    assert not Path(plan.images[0].runtime_path).exists()


def test_an_image_cut_short_later_is_made_anew(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    world.maker().make_ready(plan.images)
    damaged(Path(plan.images[0].runtime_path), lambda data: data[:-1])
    assert [item.how for item in world.maker().make_ready(plan.images)] == ["imported"]


def test_skipping_preparation_compares_the_checksum(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    with pytest.raises(EnvironmentProblem, match="is not there"):
        verified_images(plan.images, world.cache)
    world.maker().make_ready(plan.images)
    verified_images(plan.images, world.cache)
    damaged(Path(plan.images[0].runtime_path), lambda data: data[:-1] + b"?")
    with pytest.raises(EnvironmentProblem, match="checksum"):
        verified_images(plan.images, world.cache)


def test_a_missing_local_image_ends_before_anything_is_made(world: World) -> None:
    plan = world.plan({"a": {"image": "a:1"}, "b": {"image": "./gone.sqsh"}})
    with pytest.raises(EnvironmentProblem, match=r"gone\.sqsh"):
        world.maker().make_ready(plan.images)
    assert world.asked() == []


def test_several_processes_make_one_image_once(world: World) -> None:
    """One builds, the others wait and take what it made."""
    (world.folder / "slow").write_text("0.3")
    world.plan({"app": {"image": "app:1", **PREPARE}})
    program = (
        "import sys; from pathlib import Path; from tests.core.prepare.world import World\n"
        "world = World(Path(sys.argv[1])); plan = world.planned()\n"
        "print(*[item.how for item in world.maker().make_ready(plan.images)])\n"
    )
    argv = [sys.executable, "-c", program, str(world.folder)]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert len(world.asked("import")) == len(world.asked("export")) == 1
    assert sorted(word for words in said for word in words).count("built") == 1
    assert all(set(words) <= {"imported", "built", "waited", "reused"} for words in said)


def test_a_killed_maker_leaves_nothing_that_looks_finished_and_the_next_goes_on(world: World) -> None:
    (world.folder / "slow").write_text("30")
    plan = world.plan({"app": {"image": "app:1"}})
    program = (
        "import sys; from pathlib import Path; from tests.core.prepare.world import World\n"
        "world = World(Path(sys.argv[1]))\n"
        "world.maker().make_ready(world.plan({'app': {'image': 'app:1'}}).images)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(world.folder)])
    deadline = time.monotonic() + 30
    while not world.asked("import") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert not Path(plan.images[0].runtime_path).exists()
    (world.folder / "slow").unlink()
    assert [item.how for item in world.maker().make_ready(plan.images)] == ["imported"]
    assert list(world.cache.building.path.iterdir()) == []


def test_an_image_without_its_record_was_never_finished(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    world.maker().make_ready(plan.images)
    file = world.cache.image(plan.images[0].runtime_path)
    Path(image_record(file)).unlink()
    assert [item.how for item in world.maker().make_ready(plan.images)] == ["imported"]
    record = CachedImage.read(image_record(file))
    assert record is not None
    assert record.size_bytes == Path(file).stat().st_size


def test_a_lease_of_a_living_process_is_waited_for(world: World) -> None:
    plan = world.plan({"app": {"image": "app:1"}})
    file = world.cache.image(plan.images[0].runtime_path)
    maker = world.maker()
    looks: list[object] = []
    with lease(image_lease(file), SystemClock(), host=maker.host, go_on=lambda _: True):

        def go_on(holder: object) -> bool:
            looks.append(holder)
            return False

        with lease(image_lease(file), SystemClock(), host=maker.host, go_on=go_on) as mine:
            assert not mine
    assert len(looks) == 1
    assert getattr(looks[0], "pid", None) == os.getpid()
    assert not Path(image_lease(file)).exists()
