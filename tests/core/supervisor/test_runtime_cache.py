"""Enroot's folders of one job: made, removed by policy, and nothing else is touched."""

from __future__ import annotations

import pytest

from tests.core.supervisor.world import World, service

LOOK = 'ls "$CACHE/runtime/41" > seen; mkdir -p "$CACHE/runtime/41/data/root/usr"; touch "$CACHE/runtime/41/data/root/usr/x"'


def run(world: World, policy: str, body: str = LOOK, job_id: str = "41") -> int:
    """A job with such a policy; gives its exit status."""
    cache = world.folder / "cache"
    code, _ = world.run(
        service("app", body),
        job_id=job_id,
        environment={"CACHE": str(cache)},
        cleanup={"cache_dir": str(cache), "runtime_cache": policy},
    )
    return code


@pytest.mark.parametrize(
    ("policy", "end", "is_kept"),
    [
        ("always", "true", False),
        ("always", "exit 7", False),
        ("on_success", "true", False),
        ("on_success", "exit 7", True),
        ("never", "true", True),
    ],
)
def test_the_folders_are_there_for_the_services_and_go_as_the_policy_says(
    world: World, policy: str, end: str, is_kept: bool
) -> None:
    """The cache itself and other jobs' folders stay."""
    other = world.folder / "cache" / "runtime" / "40"
    other.mkdir(parents=True)
    run(world, policy, f"{LOOK}; {end}")
    assert (world.folder / "seen").read_text().split() == ["cache", "data", "tmp"]
    assert (world.folder / "cache" / "runtime" / "41").exists() == is_kept
    assert other.exists()


def test_what_an_image_made_unwritable_goes_too(world: World) -> None:
    """Images hold folders that not even their owner may write to or enter."""
    assert (
        run(world, "always", LOOK + '; chmod 0 "$CACHE/runtime/41/data/root/usr"; chmod 555 "$CACHE/runtime/41/data"')
        == 0
    )
    assert list((world.folder / "cache" / "runtime").iterdir()) == []


def test_links_in_the_folders_are_removed_and_not_followed(world: World) -> None:
    """What they lead to is somebody else's."""
    precious = world.folder / "precious"
    precious.mkdir()
    (precious / "data").write_text("keep")
    assert run(world, "always", f'ln -s {precious} "$CACHE/runtime/41/data/link"') == 0
    assert (precious / "data").read_text() == "keep"
    assert not (world.folder / "cache" / "runtime" / "41").exists()


@pytest.mark.parametrize("where", ["runtime", "runtime/41"])
def test_a_link_in_the_place_of_a_folder_is_refused_before_anything_starts(world: World, where: str) -> None:
    """Nothing is made or removed behind it."""
    precious = world.folder / "precious"
    precious.mkdir()
    (precious / "41").mkdir()
    place = world.folder / "cache" / where
    place.parent.mkdir(parents=True)
    place.symlink_to(precious)
    assert run(world, "always") != 0
    assert not (world.folder / "seen").exists()
    assert [path.name for path in precious.iterdir()] == ["41"]
    assert "symbolic link" in (world.folder / "batch.log").read_text()


def test_a_link_that_a_service_puts_in_the_place_is_not_followed_at_the_end(world: World) -> None:
    """It is complained of, and the job ends as it would have."""
    precious = world.folder / "precious"
    precious.mkdir()
    (precious / "data").write_text("keep")
    body = f'mv "$CACHE/runtime/41" "$CACHE/away"; ln -s {precious} "$CACHE/runtime/41"'
    assert run(world, "always", body) == 0
    assert (precious / "data").read_text() == "keep"
    assert "cannot be removed" in (world.folder / "batch.log").read_text()


def test_a_task_of_an_array_has_folders_of_its_own(world: World) -> None:
    """Named as its job folder is."""
    cache = world.folder / "cache"
    code, _ = world.run(
        service("app", f"ls {cache}/runtime > seen"),
        environment={"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"},
        cleanup={"cache_dir": str(cache), "runtime_cache": "always"},
    )
    assert code == 0
    assert (world.folder / "seen").read_text().split() == ["12_3"]
    assert list((cache / "runtime").iterdir()) == []
    assert cache.stat().st_mode & 0o777 == 0o700
