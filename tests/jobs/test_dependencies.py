"""Jobs that wait for others, on real Slurm: none of them waits for ever."""

from __future__ import annotations

import pytest

from tests.jobs.project import EngineName, Project

FIRST = "{name: first, runtime: {backend: host}, x-slurm: {time: '00:05:00'}, services: {app: {command: %s}}}"
SECOND = """
name: second
runtime: {backend: host}
x-slurm: {time: "00:05:00", after_job: [{job: "%s", condition: %s}]}
services: {app: {command: [echo, ran]}}
"""


@pytest.fixture(params=[pytest.param("slurm", marks=pytest.mark.slurm)])
def engine(request: pytest.FixtureRequest) -> EngineName:
    """The local engine refuses dependencies."""
    return request.param  # type: ignore[no-any-return]


def test_a_job_starts_when_the_other_one_has_ended_well(project: Project) -> None:
    """Until then it waits."""
    project.write(FIRST % "['bash', '-c', 'until [[ -e go ]]; do sleep 0.1; done']")
    first = project.submit()
    project.write(SECOND % (first, "afterok"))
    second = project.submit()
    waiting = project.json("status", "--job-id", second)
    assert (waiting["state"], waiting["reason"]) == ("PENDING", "Dependency")
    (project.folder / "go").touch()
    project.wait(lambda: project.state(second).get("job_status") == "COMPLETED", "the second job to run")
    assert project.state(second)["started_at"] > project.state(first)["finished_at"] - 1


@pytest.mark.parametrize(("condition", "code"), [("afterok", 7), ("afternotok", 0)])
def test_a_condition_that_cannot_be_met_any_more_cancels_the_job(project: Project, condition: str, code: int) -> None:
    """Slurm alone would keep it in the queue for ever."""
    project.write(FIRST % f"['bash', '-c', 'until [[ -e go ]]; do sleep 0.1; done; exit {code}']")
    first = project.submit()
    project.write(SECOND % (first, condition))
    second = project.submit()
    (project.folder / "go").touch()
    project.wait(lambda: project.json("status", "--job-id", second, code=None)["terminal"], "the second job to end")
    report = project.json("status", "--job-id", second, code=1)
    assert report["state"] == "CANCELLED"
    assert "can never be met" in report["detail"], report
    assert project.state(second) == {}


def test_a_job_id_that_nobody_knows_is_refused_before_anything_is_submitted(project: Project) -> None:
    """Slurm would start the job at once, as if the other one had ended well."""
    project.write(SECOND % ("999999", "afterok"))
    refused = project.hpcc("submit", code=1)
    assert "knows no job 999999" in refused.stderr
    assert project.json("jobs")["jobs"] == []


def test_a_job_that_failed_long_ago_and_is_forgotten_is_refused(project: Project) -> None:
    """The accounting still knows; what ended well may be waited for."""
    project.write(FIRST % "['true']")
    done = project.up()["job_id"]
    project.write(SECOND % (done, "afterok"))
    assert project.up()["state"] == "COMPLETED"
