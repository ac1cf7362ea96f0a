from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.batch_log import batch_log_path, make_log_folders
from compose_core.job_state import JobId


def _path(pattern: str | None, job_id: str = "41", host: str | None = "node1", **options: str) -> str | None:
    given = {**options, **({"output": pattern} if pattern is not None else {})}
    found = batch_log_path(given, job_id=JobId(job_id), job_name="train", user="ada", project_dir=Path("/p"), host=host)
    return str(found) if found else None


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, "/p/slurm-41.out"),
        ("logs/%x-%j.out", "/p/logs/train-41.out"),
        ("/var/log/%u/%A.out", "/var/log/ada/41.out"),
        ("%N-%j.out", "/p/node1-41.out"),
        ("100%%-%j.out", "/p/100%-41.out"),
        ("%6j.out", "/p/000041.out"),
        ("%c.out", "/p/%c.out"),
        (r"a\%j.out", "/p/a%j.out"),
    ],
)
def test_patterns_are_filled_in(pattern: str | None, expected: str) -> None:
    assert _path(pattern) == expected


def test_a_working_folder_of_the_job_moves_the_log() -> None:
    assert _path(None, chdir="sub") == "/p/sub/slurm-41.out"
    assert _path(None, chdir="/elsewhere") == "/elsewhere/slurm-41.out"


def test_what_only_the_node_knows_is_none() -> None:
    assert _path("%N.out", host=None) is None


def test_an_array_has_a_log_per_task() -> None:
    assert _path(None, array="1-9") is None
    assert _path(None, job_id="41_7") == "/p/slurm-41_7.out"
    assert _path("%A/%3a.out", job_id="41_7") == "/p/41/007.out"


def test_the_folders_of_the_logs_are_made(tmp_path: Path) -> None:
    """Slurm makes none, and fails the job without a trace."""
    options = {"output": "logs/%x-%j.out", "error": "errors/%u/%j.err", "chdir": "sub"}
    assert make_log_folders(options, job_name="team/job", user="ada", project_dir=tmp_path) is None
    assert (tmp_path / "sub/logs/team").is_dir()
    assert (tmp_path / "sub/errors/ada").is_dir()


def test_a_log_folder_named_for_the_job_id_is_refused(tmp_path: Path) -> None:
    """The id is known too late to make it."""
    fault = make_log_folders({"output": "logs/%j/out"}, job_name="train", user="ada", project_dir=tmp_path)
    assert fault is not None
    assert "%j" in fault
    assert make_log_folders({"output": r"logs\%j/out"}, job_name="t", user="ada", project_dir=tmp_path) is None


def test_a_log_folder_that_cannot_be_made_here_may_exist_on_the_nodes(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    assert make_log_folders({"output": "logs/%j.out"}, job_name="t", user="ada", project_dir=tmp_path) is None


@pytest.mark.parametrize("pattern", ["logs/%x-%A.%3a.log", "logs/%a", "logs/%j.out"])
def test_the_folder_of_an_arrays_logs_is_made_too(tmp_path: Path, pattern: str) -> None:
    """Slurm makes none, and fails every task without a trace."""
    options = {"output": pattern, "array": "0-3"}
    assert make_log_folders(options, job_name="x", user="ada", project_dir=tmp_path) is None
    assert (tmp_path / "logs").is_dir()
