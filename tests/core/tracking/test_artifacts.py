"""What a job collected, exported as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import HpccError, RecordError, UsageError
from compose_core.tracking.artifacts import ExportReport, export_artifacts, export_folder
from tests.core.tracking.world import NOW, OTHER_TOKEN, TOKEN, World


@pytest.fixture
def out(world: World) -> Path:
    """The export folder."""
    return world.project.project_dir / "results" / "7"


def collected(
    world: World, files: dict[str, bytes], *, bundles: dict[str, list[str]] | None = None, **more: Any
) -> None:
    """A payload and its manifest, as a supervisor leaves them."""
    for name, data in files.items():
        path = world.paths.payload.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    chosen = bundles if bundles is not None else {"default": list(files)}
    manifest = {
        "schema_version": 1,
        "job_id": "7",
        "submission_token": TOKEN,
        "collect_policy": "always",
        "collected_at": NOW - 9,
        "job_outcome": "success",
        "attempt": 0,
        "complete": True,
        "bundles": {name: {"copied_relative_paths": paths} for name, paths in chosen.items()},
        **more,
    }
    world.write(world.paths.manifest.path, manifest)


def export(world: World, **options: Any) -> ExportReport:
    record = world.record.model_copy(update={"artifact_export_dir": "./results/${SLURM_JOB_ID}"})
    return export_artifacts(record, world.clock, **options)


def tree(folder: Path) -> dict[str, bytes]:
    """Files below the folder, without our own records."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "_hpc-compose" not in path.parts
    }


def test_the_default_bundle_goes_to_the_export_folder(world: World, out: Path) -> None:
    """With the job's id filled in; files of others there stay."""
    out.mkdir(parents=True)
    (out / "mine.txt").write_bytes(b"mine")
    collected(world, {"model/a.bin": b"A", "log.txt": b"L"})
    report = export(world)
    assert tree(out) == {"mine.txt": b"mine", "model/a.bin": b"A", "log.txt": b"L"}
    assert report.is_complete
    assert report.warnings == ()


def test_named_bundles_have_folders_of_their_own(world: World, out: Path) -> None:
    """And one alone can be asked for."""
    collected(world, {"a": b"A", "b": b"B"}, bundles={"default": ["a"], "logs": ["b"]})
    export(world, bundles=["logs"])
    assert tree(out) == {"bundles/logs/b": b"B"}
    export(world)
    assert tree(out) == {"a": b"A", "bundles/logs/b": b"B"}


def test_provenance_tells_where_files_come_from(world: World, out: Path) -> None:
    """With the digest of each."""
    collected(world, {"a": b"A"})
    report = export(world, tarball=True)
    provenance = json.loads((out / "_hpc-compose/bundles/default.json").read_text())
    assert (provenance["job_id"], provenance["submission_token"], provenance["bundle"]) == ("7", TOKEN, "default")
    assert provenance["files"] == [
        {
            "relative_path": "a",
            "entry_type": "file",
            "size_bytes": 1,
            "sha256": hashlib.sha256(b"A").hexdigest(),
            "link_target": None,
        }
    ]
    assert provenance["exported_at_unix"] == NOW
    assert json.loads(json.dumps(report.as_json()))["tarball_paths"] == [str(out / "default.tar.gz")]


def test_a_second_export_replaces_the_first(world: World, out: Path) -> None:
    """What the first put there and the second has not is gone; everything else stays."""
    collected(world, {"a": b"old", "b/c": b"C"})
    export(world)
    (out / "b" / "mine").write_bytes(b"mine")
    (world.paths.payload.path / "b" / "c").unlink()
    collected(world, {"a": b"new"})
    export(world)
    assert tree(out) == {"a": b"new", "b/mine": b"mine"}


def test_a_tarball_is_the_same_every_time(world: World, out: Path) -> None:
    """Relative names, no owner, no times."""
    collected(world, {"d/x": b"X", "a": b"A"})
    (world.paths.payload.path / "a").chmod(0o755)
    (world.paths.payload.path / "l").symlink_to("d/x")
    collected(world, {"d/x": b"X", "a": b"A"}, bundles={"default": ["l", "d/x", "a"]})
    export(world, tarball=True)
    first = (out / "default.tar.gz").read_bytes()
    os.utime(world.paths.payload.path / "a", (1, 1))
    export(world, tarball=True)
    assert (out / "default.tar.gz").read_bytes() == first
    with tarfile.open(out / "default.tar.gz") as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert list(members) == ["a", "d/x", "l"]
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in members.values()} == {(0, 0, "", 0)}
        assert (members["a"].mode, members["d/x"].mode, members["l"].linkname) == (0o755, 0o644, "d/x")


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "a/.", "x\ny", "x\x1b[31m", "x\0y"]
)
def test_a_hostile_name_is_reported_and_not_followed(world: World, out: Path, path: str) -> None:
    """The manifest lies in a folder that containers write to."""
    (world.root / "x").write_bytes(b"secret")
    collected(world, {"good": b"G"}, bundles={"default": ["good", path]})
    report = export(world)
    assert tree(out) == {"good": b"G"}
    assert len(report.warnings) == 1
    assert not report.is_complete


@pytest.mark.parametrize("kind", ["pipe", "socket", "link out", "absolute link", "folder link", "gone"])
def test_a_hostile_thing_in_the_payload_is_reported(world: World, out: Path, kind: str) -> None:
    """Nothing outside the payload is read, and nothing is waited for."""
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    collected(world, {"good": b"G"}, bundles={"default": ["good", "bad", "bad/secret"]})
    bad = world.paths.payload.path / "bad"
    if kind == "pipe":
        os.mkfifo(bad)
    elif kind == "socket":
        os.mknod(bad, 0o600 | 0o140000)
    elif kind == "link out":
        bad.symlink_to("../../../../../outside/secret")
    elif kind == "absolute link":
        bad.symlink_to(outside / "secret")
    elif kind == "folder link":
        bad.symlink_to(outside)
    report = export(world)
    assert tree(out) == {"good": b"G"}
    assert len(report.warnings) == 2


def test_links_that_stay_inside_are_kept_as_links(world: World, out: Path) -> None:
    """Where they lead is not looked at."""
    collected(world, {"d/x": b"X"}, bundles={"default": ["d/x", "d/l", "empty"]})
    (world.paths.payload.path / "d" / "l").symlink_to("../d/x")
    (world.paths.payload.path / "empty").mkdir()
    export(world)
    assert (out / "d" / "l").readlink() == Path("../d/x")
    assert (out / "empty").is_dir()


@pytest.mark.parametrize(
    "path", ["_hpc-compose/bundles/default.json", ".hpc-compose-export.lock", "bundles/logs/b", "default.tar.gz"]
)
def test_our_own_names_in_the_export_folder_are_not_for_payloads(world: World, out: Path, path: str) -> None:
    """A payload cannot forge its provenance."""
    collected(world, {path: b"forged", "b": b"B"}, bundles={"default": [path], "logs": ["b"]})
    report = export(world, tarball=True)
    assert any("under that name" in warning for warning in report.warnings)
    assert json.loads((out / "_hpc-compose/bundles/default.json").read_text())["job_id"] == "7"
    assert (out / "bundles/logs/b").read_bytes() == b"B"


def test_a_link_in_the_export_folder_is_not_followed(world: World, out: Path) -> None:
    """It could lead anywhere; what was there before is as it was."""
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    out.mkdir(parents=True)
    (out / "d").symlink_to(elsewhere)
    (out / "a").write_bytes(b"before")
    collected(world, {"a": b"A", "d/x": b"X"})
    with pytest.raises(RecordError):
        export(world)
    assert list(elsewhere.iterdir()) == []
    assert tree(out) == {"a": b"before"}


def test_a_failure_on_the_way_changes_nothing(world: World, out: Path) -> None:
    """A folder of the user is in the way of the last file."""
    collected(world, {"a": b"old", "gone": b"old"})
    export(world)
    before = tree(out)
    provenance = (out / "_hpc-compose/bundles/default.json").read_bytes()
    (out / "z" / "mine").mkdir(parents=True)
    collected(world, {"a": b"new", "z": b"Z"})
    with pytest.raises(RecordError, match="is a folder"):
        export(world)
    assert tree(out) == before
    assert (out / "_hpc-compose/bundles/default.json").read_bytes() == provenance
    assert [path.name for path in out.iterdir() if path.name.startswith(".hpc-compose")] == []


def test_a_full_disk_changes_nothing(world: World, out: Path) -> None:
    """The copy is made before anything is moved."""
    collected(world, {"a": b"old"})
    export(world)
    collected(world, {"a": b"x" * 100_000})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RecordError):
            export(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert tree(out) == {"a": b"old"}


def test_what_a_killed_export_left_is_removed(world: World, out: Path) -> None:
    """Its lock as well."""
    (out / ".hpc-compose-export.0123").mkdir(parents=True)
    (out / ".hpc-compose-export.0123" / "half").write_bytes(b"")
    collected(world, {"a": b"A"})
    export(world)
    assert tree(out) == {"a": b"A"}


def test_an_incomplete_collection_is_reported(world: World) -> None:
    """The deadline came first."""
    collected(
        world,
        {"a": b"A"},
        complete=False,
        missing=[{"path": "big", "reason": "the time for collecting was over"}],
        bundles={"default": ["a"]},
        warnings=["*.pt matched nothing"],
    )
    report = export(world)
    assert not report.is_complete
    assert report.warnings == ("*.pt matched nothing", "big was not collected: the time for collecting was over")


def test_a_job_that_collected_nothing_says_so(world: World) -> None:
    """It may still run, or declare no artifacts."""
    with pytest.raises(HpccError) as caught:
        export(world)
    assert caught.value.code == "no-artifacts"
    assert caught.value.remedy


def test_an_unknown_bundle_is_a_usage_error(world: World, out: Path) -> None:
    """It names those that there are, and writes nothing."""
    collected(world, {"a": b"A"})
    with pytest.raises(UsageError) as caught:
        export(world, bundles=["logs"])
    assert "default" in caught.value.remedy
    assert not out.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x" * 65])
def test_a_bundle_name_that_no_spec_can_declare_is_refused(world: World, out: Path, name: str) -> None:
    """It becomes part of a path."""
    collected(world, {"a": b"A"}, bundles={name: ["a"]})
    with pytest.raises(RecordError):
        export(world)
    assert not out.exists()


def test_the_manifest_of_another_job_is_refused(world: World) -> None:
    """The id was given again."""
    collected(world, {"a": b"A"}, submission_token=OTHER_TOKEN)
    with pytest.raises(RecordError, match="another job"):
        export(world)


def test_the_export_folder_can_be_given(world: World, tmp_path: Path) -> None:
    """Also for a job whose compose file names none."""
    collected(world, {"a": b"A"})
    export_artifacts(world.record, world.clock, export_dir=tmp_path / "there")
    assert tree(tmp_path / "there") == {"a": b"A"}
    with pytest.raises(UsageError, match="names no folder"):
        export_artifacts(world.record, world.clock)


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        ("out/${SLURM_JOB_ID}/x", "{project}/out/7/x"),
        ("$SLURM_JOB_ID", "{project}/7"),
        ("../sibling", "{root}/sibling"),
        ("/scratch/${SLURM_JOB_ID}", "/scratch/7"),
    ],
)
def test_the_job_id_is_filled_in(world: World, written: str, folder: str) -> None:
    """Relative to the compose file's folder."""
    record = world.record.model_copy(update={"artifact_export_dir": written})
    assert str(export_folder(record)) == folder.format(project=world.project.project_dir, root=world.root)


def test_no_other_variable_is_filled_in(world: World) -> None:
    """Better an error than a folder named `$USER`."""
    record = world.record.model_copy(update={"artifact_export_dir": "/scratch/$USER"})
    with pytest.raises(UsageError, match="cannot be used"):
        export_folder(record)


def test_a_pattern_that_matched_nothing_is_told_once_and_is_no_gap(world: World) -> None:
    """The manifest says it for the job and for the bundle."""
    collected(world, {"a": b"A"}, warnings=["*.pt matched nothing"])
    manifest = json.loads(world.paths.manifest.path.read_text())
    manifest["bundles"]["default"]["warnings"] = ["*.pt matched nothing"]
    world.write(world.paths.manifest.path, manifest)
    report = export(world)
    assert report.warnings == ("default: *.pt matched nothing",)
    assert report.is_complete
