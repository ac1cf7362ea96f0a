"""What becomes of each image, decided from plan and cache alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.prepare.decisions import Decision, decide
from compose_core.prepare.found import ABSENT, Found, found_images
from tests.core.prepare.world import World, squashfs

COMPLETE = Found(state="complete")
PREPARE = {"x-runtime": {"prepare": {"commands": ["pip install redis"]}}}


def actions(decisions: tuple[Decision, ...]) -> list[tuple[str, str]]:
    return [(decision.kind, decision.action) for decision in decisions]


def test_an_image_that_is_not_there_is_imported_then_built(world: World) -> None:
    plan = world.plan({"app": {"image": "python:3.11", **PREPARE}})
    decisions = decide(plan.images, found_images(plan.images, world.cache))
    assert actions(decisions) == [("base", "import"), ("prepared", "build")]
    assert {decision.reason for decision in decisions} == {"it is not in the cache"}


def test_a_finished_build_needs_no_base(world: World) -> None:
    plan = world.plan({"app": {"image": "python:3.11", **PREPARE}})
    (image,) = plan.images
    assert image.base is not None
    assert image.prepared is not None
    found = {image.base.path: ABSENT, image.prepared.path: COMPLETE}
    assert actions(decide(plan.images, found)) == [("prepared", "reuse")]


def test_two_builds_share_one_import(world: World) -> None:
    plan = world.plan(
        {
            "one": {"image": "python:3.11", "x-runtime": {"prepare": {"commands": ["a"]}}},
            "two": {"image": "python:3.11", "x-runtime": {"prepare": {"commands": ["b"]}}},
            "plain": {"image": "docker://python:3.11"},
        }
    )
    decisions = decide(plan.images, found_images(plan.images, world.cache))
    assert actions(decisions) == [("base", "import"), ("prepared", "build"), ("prepared", "build")]
    assert decisions[0].services == ("one", "two", "plain")


def test_host_folders_in_prepare_mean_a_build_every_time(world: World, tmp_path: Path) -> None:
    prepare = {"prepare": {"commands": ["make"], "mounts": [f"{tmp_path}:/src"]}}
    plan = world.plan({"app": {"image": "python:3.11", "x-runtime": prepare}})
    found = dict.fromkeys(found_images(plan.images, world.cache), COMPLETE)
    base, built = decide(plan.images, found)
    assert (base.action, built.action, built.is_renewal) == ("reuse", "build", True)
    assert "every time" in built.reason


def test_force_makes_everything_anew(world: World) -> None:
    plan = world.plan({"app": {"image": "python:3.11", **PREPARE}})
    found = dict.fromkeys(found_images(plan.images, world.cache), COMPLETE)
    assert actions(decide(plan.images, found, force=True)) == [("base", "import"), ("prepared", "build")]


def test_a_local_image_is_used_as_it_is(world: World, tmp_path: Path) -> None:
    (tmp_path / "own.sqsh").write_bytes(squashfs(b"x"))
    plan = world.plan({"app": {"image": "./own.sqsh"}})
    assert actions(decide(plan.images, found_images(plan.images, world.cache))) == [("local", "reuse")]


def test_a_local_image_that_is_a_folder_or_absent_is_told(world: World, tmp_path: Path) -> None:
    (tmp_path / "folder.sqsh").mkdir()
    plan = world.plan({"a": {"image": "./folder.sqsh"}, "b": {"image": "./gone.sqsh"}})
    decisions = decide(plan.images, found_images(plan.images, world.cache))
    assert [(item.action, item.reason) for item in decisions] == [
        ("missing", "it is a folder"),
        ("missing", "there is no such file"),
    ]


def test_a_command_or_variable_that_changes_changes_the_file_and_the_release_does_not(world: World) -> None:
    """Also what only looks the same when it is joined."""

    def path(**prepare: object) -> str:
        return world.plan({"app": {"image": "p:1", "x-runtime": {"prepare": prepare}}}).images[0].runtime_path

    known = path(commands=["a", "b"])
    assert known == path(commands=["a", "b"])
    others = {
        path(commands=["a b"]),
        path(commands=["b", "a"]),
        path(commands=["a", "b"], env={"A": "1"}),
        path(commands=["a", "b"], env={"A": "2"}),
        path(commands=["a", "b"], root=False),
    }
    assert len(others | {known}) == 6


def test_the_content_of_a_local_base_is_part_of_the_key(world: World, tmp_path: Path) -> None:
    (tmp_path / "own.sqsh").write_bytes(squashfs(b"x"))
    local = str(tmp_path / "own.sqsh")
    plans = [
        world.plan({"app": {"image": "./own.sqsh", **PREPARE}}, local_image_digests={local: digest})
        for digest in ("aa", "bb")
    ]
    assert plans[0].images[0].runtime_path != plans[1].images[0].runtime_path


@pytest.mark.parametrize(
    ("image", "backend", "source"),
    [
        ("reg.example.org/team/app:1", "enroot", "docker://reg.example.org#team/app:1"),
        ("docker://localhost/app", "enroot", "docker://localhost#app"),
        ("reg.example.org#team/app:1", "enroot", "docker://reg.example.org#team/app:1"),
        ("team/app:1", "enroot", "docker://team/app:1"),
        ("dockerd://reg.example.org/team/app:1", "enroot", "dockerd://reg.example.org/team/app:1"),
        ("podman://localhost/app:1", "enroot", "podman://localhost/app:1"),
        ("reg.example.org#team/app:1", "apptainer", "docker://reg.example.org/team/app:1"),
    ],
)
def test_the_tool_gets_the_reference_as_it_wants_it(world: World, image: str, backend: str, source: str) -> None:
    """Enroot separates a registry with `#`, but not in the names of a daemon's images; Apptainer never does."""
    (world.folder / "compose.yaml").write_text(
        json.dumps({"runtime": {"backend": backend}, "services": {"app": {"image": image, "command": ["run"]}}})
    )
    assert [planned.source for planned in world.planned().images] == [source]
