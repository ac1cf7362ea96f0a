"""The end of jobs' files, on both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.project import Project, processes_with

QUICK = "name: quick\nruntime: {backend: host}\nservices: {work: {command: 'echo done >> ran'}}\n"
LONG = "name: long\nruntime: {backend: host}\nservices: {work: {command: sleep 100}}\n"


def files_of(project: Project) -> set[str]:
    """Everything below the project's folder that is no folder."""
    root = project.folder
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def test_down_ends_a_running_job_and_removes_its_files(project: Project) -> None:
    """Nothing runs on, and nothing is left but what the person wrote."""
    project.write(LONG)
    job = project.submit()
    project.wait(lambda: project.service(job, "work").get("status") == "running", "the service runs")
    token = project.state(job)["submission_token"]
    report = project.json("down", job)
    assert (report["requested"], report["confirmed"]) == (True, True)
    assert report["removed"]["bytes_freed"] > 0
    project.wait(lambda: not processes_with(f"HPC_COMPOSE_SUBMISSION_TOKEN={token}"), "nothing is left running", 20)
    assert files_of(project) == {"compose.yaml"}
    assert project.json("jobs")["jobs"] == []
    project.hpcc("down", code=1)


def test_clean_removes_finished_jobs_and_leaves_the_running_one(project: Project) -> None:
    """The newest stays with --all; a dry run says the same and removes nothing."""
    project.write(QUICK)
    first, second = project.up("--run-key", "k")["job_id"], project.up()["job_id"]
    project.write(LONG)
    running = project.submit()
    project.wait(lambda: project.service(running, "work").get("status") == "running", "the service runs")
    would = project.json("clean", "--keep", "0", "--dry-run")
    assert project.json("clean", "--age", "1d")["removed"] == []
    assert project.job_dir(first).is_dir()
    report = project.json("clean", "--all")
    for said in (would, report):
        assert {one["job_id"] for one in said["removed"]} == {first, second}
        assert [(job["job_id"], job["why"]) for job in said["kept"]] == [(running, "not over")]
    assert [job["job_id"] for job in project.json("jobs")["jobs"]] == [running]
    assert project.json("status")["state"] == "RUNNING"
    assert {path.name for path in project.folder.glob("slurm-*.out")} <= {f"slurm-{running}.out"}
    project.json("down")
    project.write(QUICK)
    assert project.up("--run-key", "k")["attached"] is False
    assert (project.folder / "ran").read_text() == "done\n" * 3


def test_down_after_an_interrupted_down_finishes_it_and_touches_no_other_job(tmp_path: Path) -> None:
    """The job that is the newest now is not the one that was meant."""
    project = Project(tmp_path / "project", "local")
    project.write(QUICK)
    other, job = project.up()["job_id"], project.up()["job_id"]
    record = json.loads((project.folder / f".hpc-compose/jobs/{job}.json").read_text())
    begun = {"token": record["submission_token"], "job_id": job, "job_dir": record["job_dir"], "at": 0}
    (project.folder / ".hpc-compose/removals").mkdir(mode=0o700)
    (project.folder / f".hpc-compose/removals/{record['submission_token']}.json").write_text(json.dumps(begun))
    report = project.json("down")
    assert (report["job_id"], report["requested"]) == (job, False)
    assert [item["job_id"] for item in project.json("jobs")["jobs"]] == [other]


@pytest.mark.parametrize("words", [[], ["--all", "--keep", "2"], ["--age", "soon"], ["--keep", "-1"]])
def test_clean_wants_to_know_exactly_what(tmp_path: Path, words: list[str]) -> None:
    """Exit 2."""
    Project(tmp_path / "project", "local").hpcc("clean", *words, code=2)
