"""`hpcc cancel --submission` of a submission that has become a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.project import Project


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """A project on this machine."""
    return Project(tmp_path / "project", "local")


def test_a_submission_that_runs_already_is_cancelled_as_its_job(local: Project) -> None:
    """The name of the submission is as good as the job's id."""
    local.write("{runtime: {backend: host}, services: {app: {command: sleep 600}}}")
    job = local.hpcc("submit").stdout.strip()
    token = local.json("status")["submission_token"]
    answer = local.json("cancel", "--submission", token)
    assert (answer["job_id"], answer["confirmed"], answer["state"]) == (job, True, "CANCELLED")
    assert "had ended already" in local.hpcc("cancel", "--submission", token).stdout


@pytest.mark.parametrize("token", ["nonsense", "../../../etc", ""])
def test_a_text_that_is_no_token_is_a_mistake_of_the_caller(local: Project, token: str) -> None:
    """It never becomes a path."""
    assert "not a submission token" in local.hpcc("cancel", "--submission", token, code=2).stderr
