"""What `up` and `submit` say of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cli.up import command_for
from compose_core.records.job_record import JobRecord


def record_of(folder: Path) -> JobRecord:
    """A job that was submitted from the folder."""
    return JobRecord(
        backend="local",
        submission_token="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        name="demo",
        compose_file=str(folder / "compose.yaml"),
        submit_dir=str(folder),
        script_path=str(folder / "job.sbatch"),
        script_sha256="",
        spec_sha256="",
        cache_dir="",
        runtime_root=str(folder / ".hpc-compose"),
        batch_log=str(folder / "slurm-7.out"),
        job_id="7",
        submitted_at=0.0,
        job_dir=str(folder / ".hpc-compose" / "7"),
    )


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (".", "hpcc status --job-id 7"),
        ("my project", "hpcc status -f 'my project/compose.yaml' --job-id 7"),
        ("../other", "hpcc status -f {above}/other/compose.yaml --job-id 7"),
    ],
)
def test_a_suggested_command_finds_the_job_from_where_it_is_typed(
    folder: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are looked for beside their compose file, so another folder has to be named."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    record = record_of(Path.cwd() / folder if ".." not in folder else Path.cwd().parent / "other")
    assert command_for(record, "status") == expected.format(above=Path.cwd().parent)
