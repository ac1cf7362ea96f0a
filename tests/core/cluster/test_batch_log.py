from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.batch_log import batch_log_path
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
