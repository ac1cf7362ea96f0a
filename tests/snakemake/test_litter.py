"""What runs leave behind goes after a while, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from snakemake_executor_plugin_hpccompose.litter import remove_old_logs, remove_old_runs
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.world import World

pytestmark = pytest.mark.adapters

BEFORE = 2_000_000.0


def file(path: Path, *, at: float) -> Path:
    """A file, with its folders, written at that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))
    return path


def test_old_logs_go_with_their_folders(tmp_path: Path) -> None:
    """New ones stay."""
    old = file(tmp_path / "a/old.1.log", at=BEFORE - 1)
    new = file(tmp_path / "b/new.1.log", at=BEFORE + 1)
    assert remove_old_logs({old, new, tmp_path / "gone/x.1.log"}, before=BEFORE) == 1
    assert not old.parent.exists()
    assert new.exists()


def test_files_of_the_user_stay_whatever_their_names(tmp_path: Path) -> None:
    """`--hpccompose-logdir logs` names a folder that rules write their own logs to."""
    ours = file(tmp_path / "logs/align/i_1.1.log", at=BEFORE - 1)
    theirs = [file(tmp_path / name, at=BEFORE - 1) for name in ("logs/align/i_2.1.log", "logs/paper.log")]
    remove_old_logs({ours}, before=BEFORE)
    assert not ours.exists()
    assert all(path.exists() for path in theirs)


def test_old_runs_go_unless_they_are_kept(tmp_path: Path) -> None:
    """A workflow that runs every night would fill the file system with results and manifests."""
    for run in ("0123456789", "aaaaaaaaaa", "bbbbbbbbbb"):
        file(tmp_path / run / "results/x.1.json", at=BEFORE - 1)
        for folder in (tmp_path / run / "results", tmp_path / run):
            os.utime(folder, (BEFORE - 1, BEFORE - 1))
    (tmp_path / "bbbbbbbbbb/results").touch()
    other = file(tmp_path / "logs/x.log", at=BEFORE - 1)
    os.utime(other.parent, (BEFORE - 1, BEFORE - 1))
    assert remove_old_runs(tmp_path, keep={"aaaaaaaaaa"}, before=BEFORE) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aaaaaaaaaa", "bbbbbbbbbb", "logs"]


def test_a_run_whose_jobs_nobody_has_seen_the_end_of_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may still run, and the next run finds their results there."""
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster()
    ended, left = World(cluster, tmp_path), World(cluster, tmp_path)
    [one] = ended.submit(FakeJob(name="one"))
    ended.finish(one)
    ended.look(asking=False)
    left.submit(FakeJob(name="two"))
    cluster.clock.advance(400 * 86400)
    last = World(cluster, tmp_path)
    last.submit(FakeJob(name="three"))
    last.jobs.close()
    assert not ended.jobs.paths.folder.exists()
    assert left.jobs.paths.folder.exists()
    assert last.jobs.paths.folder.exists()
