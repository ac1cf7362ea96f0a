"""What lies in the cache, and what a prune takes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from compose_core.clock import SystemClock
from compose_core.cluster.lease import lease
from compose_core.prepare.cache import CacheEntry, PruneReport, PruneRule, cache_entries, prune
from compose_core.records.atomic import create_file
from compose_core.records.json_text import json_bytes
from compose_core.records.paths import image_lease, image_record, image_use
from tests.core.prepare.world import World

HOST = "login1"


def filled(world: World) -> dict[str, str]:
    """A cache with the images of three services; service to file."""
    plan = world.plan({name: {"image": f"{name}:1"} for name in ("a", "b", "c")})
    world.maker().make_ready(plan.images)
    return {service: image.runtime_path for image in plan.images for service in image.services}


def used_days_ago(world: World, path: str, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(image_use(world.cache.image(path)), (then, then))


def outcomes(report: PruneReport) -> dict[str, str]:
    return {Path(one.entry.path).name.split("-")[1]: one.outcome for one in report.entries}


def pruned(
    world: World, rule: PruneRule, *, jobs: dict[str, tuple[str, ...]] | None = None, dry_run: bool = False
) -> PruneReport:
    entries = cache_entries(world.cache, jobs or {})
    return prune(world.cache, entries, rule, SystemClock(), host=HOST, dry_run=dry_run)


def test_each_image_is_listed_with_size_use_and_jobs(world: World) -> None:
    files = filled(world)
    entries = {entry.path: entry for entry in cache_entries(world.cache, {files["a"]: ("41",)})}
    assert set(entries) == set(files.values())
    entry: CacheEntry = entries[files["a"]]
    assert entry.jobs == ("41",)
    assert entry.size_bytes == Path(files["a"]).stat().st_size
    assert entry.used_at is not None
    assert entry.found.record is not None
    assert entry.found.record.source_image == "docker://a:1"


def test_images_that_were_not_used_for_so_long_go_with_their_records(world: World) -> None:
    files = filled(world)
    used_days_ago(world, files["a"], 20)
    used_days_ago(world, files["b"], 3)
    report = pruned(world, PruneRule(older_than_s=14 * 86400))
    assert outcomes(report) == {"a": "removed", "b": "used lately", "c": "used lately"}
    file = world.cache.image(files["a"])
    assert not any(Path(path).exists() for path in (file, image_record(file), image_use(file), image_lease(file)))
    assert report.bytes_freed > 0


def test_an_image_of_a_job_that_is_not_over_stays(world: World) -> None:
    files = filled(world)
    report = pruned(world, PruneRule(older_than_s=0), jobs={files["b"]: ("41", "42")})
    assert outcomes(report) == {"a": "removed", "b": "used by a job", "c": "removed"}
    assert Path(files["b"]).exists()


def test_what_a_file_does_not_need_goes_unless_somebody_just_took_it(world: World) -> None:
    files = filled(world)
    for name in ("a", "b"):
        used_days_ago(world, files[name], 1)
    report = pruned(world, PruneRule(needed={files["a"]}))
    assert outcomes(report) == {"a": "needed by the file", "b": "removed", "c": "used lately"}


def test_a_dry_run_removes_nothing(world: World) -> None:
    files = filled(world)
    report = pruned(world, PruneRule(older_than_s=0), dry_run=True)
    assert set(outcomes(report).values()) == {"removed"}
    assert all(Path(path).exists() for path in files.values())


def test_an_image_that_is_made_just_now_stays(world: World) -> None:
    files = filled(world)
    held = image_lease(world.cache.image(files["a"]))
    with lease(held, SystemClock(), host=HOST, go_on=lambda _: False) as is_mine:
        assert is_mine
        report = pruned(world, PruneRule(older_than_s=0))
    assert outcomes(report)["a"] == "being made"
    assert Path(files["a"]).exists()


def test_what_a_killed_build_left_goes_a_day_later(world: World) -> None:
    filled(world)
    old, new = (world.cache.building.path / f"x-{age}.sqsh.1-ab" for age in ("old", "new"))
    for folder in (old, new):
        (folder / "data").mkdir(parents=True)
    identity = {"pid": 2**22, "start_ticks": 1, "boot_id": "an earlier boot", "host": HOST}
    lease_of_the_killed = image_lease(world.cache.base / "x-old.sqsh")
    create_file(lease_of_the_killed, json_bytes({"schema_version": 1, "nonce": "n", **identity}))
    half_written = world.cache.base.path / ".tmp-x-old.sqsh.json-1-ab"
    half_written.touch()
    then = time.time() - 2 * 86400
    for path in (old / "data", old, half_written):
        os.utime(path, (then, then))
    pruned(world, PruneRule(older_than_s=14 * 86400))
    assert not old.exists()
    assert not Path(lease_of_the_killed).exists()
    assert not half_written.exists()
    assert new.exists()


def test_a_file_that_was_never_finished_is_told_and_may_go(world: World) -> None:
    files = filled(world)
    Path(image_record(world.cache.image(files["a"]))).unlink()
    (broken,) = [entry for entry in cache_entries(world.cache, {}) if entry.path == files["a"]]
    assert broken.found.state == "unusable"
    assert "never finished" in broken.found.why
    assert outcomes(pruned(world, PruneRule(older_than_s=14 * 86400)))["a"] == "removed"
