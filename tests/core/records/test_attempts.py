"""Which attempt is the newest, told by one link that is read and never followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.records.attempts import attempts_of, newest_attempt, of_newest_attempt
from compose_core.records.paths import JobPaths


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    """A job with two attempts."""
    job_dir = tmp_path / ".hpc-compose" / "7"
    for number in ("0", "1"):
        (job_dir / "attempts" / number).mkdir(parents=True)
    (job_dir / "state.json").symlink_to("attempts/1/state.json")
    return JobPaths(job_dir)


def test_the_link_tells_the_newest_attempt(paths: JobPaths) -> None:
    """Its target need not be there yet."""
    assert newest_attempt(paths) == 1
    assert attempts_of(paths) == (0, 1)
    newest = of_newest_attempt(paths)
    assert newest.state.path == paths.job_dir / "attempts/1/state.json"
    assert newest.log("a").path == paths.job_dir / "attempts/1/logs/a.log"
    assert of_newest_attempt(newest) == newest


def test_a_job_without_attempts_has_one_folder(tmp_path: Path) -> None:
    """As without `resume`, and before the job has started."""
    paths = JobPaths(tmp_path / ".hpc-compose" / "7")
    assert (newest_attempt(paths), attempts_of(paths)) == (None, ())
    paths.job_dir.mkdir(parents=True)
    paths.state.path.write_text("{}")
    assert (newest_attempt(paths), attempts_of(paths)) == (None, ())
    assert of_newest_attempt(paths) == paths


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "attempts/../../other/state.json",
        "attempts/01/state.json",
        "attempts/-1/state.json",
        "attempts/1/end.json",
        "attempts/1/state.json/",
        "../attempts/1/state.json",
        "attempts/1234567890/state.json",
        "attempts/\N{ARABIC-INDIC DIGIT ONE}/state.json",
    ],
)
def test_any_other_link_counts_for_nothing(paths: JobPaths, target: str) -> None:
    """It is neither followed nor believed."""
    link = paths.job_dir / "state.json"
    link.unlink()
    link.symlink_to(target)
    assert newest_attempt(paths) is None


def test_what_is_no_folder_of_ours_is_no_attempt(paths: JobPaths) -> None:
    """Files, links and other names beside them."""
    attempts = paths.job_dir / "attempts"
    (attempts / "2").write_text("")
    (attempts / "3").symlink_to("0")
    (attempts / "04").mkdir()
    (attempts / "x").mkdir()
    assert attempts_of(paths) == (0, 1)


@pytest.mark.parametrize("place", [".", "attempts"])
def test_a_link_in_place_of_a_folder_is_refused(paths: JobPaths, tmp_path: Path, place: str) -> None:
    """By whoever reads what lies in it."""
    folder = paths.job_dir / place
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError):
        attempts_of(paths)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(paths: JobPaths) -> None:
    """The link in it could lead anywhere."""
    os.chown(paths.job_dir, 4242, 4242)
    with pytest.raises(RecordError, match="4242"):
        newest_attempt(paths)
