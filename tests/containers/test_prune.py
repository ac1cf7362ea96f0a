"""A prune beside a job that runs: its image stays as long as it needs it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.containers.bench import ContainerBench
from tests.jobs.project import Project


def test_the_image_of_a_job_stays_until_the_job_is_over(containers: ContainerBench, tmp_path: Path) -> None:
    """Whichever folder the prune is called in."""
    reference = containers.push("prune/app")
    project = Project(tmp_path / "project", "local", containers.environment(dict(os.environ)))
    project.write(f"""
        runtime: {{backend: enroot}}
        services: {{app: {{image: {reference}, command: "trap 'exit 0' TERM; while :; do sleep 0.1; done"}}}}
    """)
    job = project.submit()
    try:
        _look_and_prune(project, containers, job)
    finally:
        project.hpcc("cancel", code=None)


def _look_and_prune(project: Project, containers: ContainerBench, job: str) -> None:
    project.wait(lambda: project.service(job, "app").get("status") == "running", "the service runs")
    (entry,) = project.json("cache", "list")["entries"]
    assert entry["jobs"] == [job]
    other = Project(project.folder.parent / "elsewhere", "local", containers.environment(dict(os.environ)))
    assert [one["outcome"] for one in other.json("cache", "prune", "--age", "0")["entries"]] == ["used by a job"]
    assert Path(entry["path"]).exists()
    project.hpcc("cancel")
    assert [one["outcome"] for one in other.json("cache", "prune", "--age", "0")["entries"]] == ["removed"]
    assert not Path(entry["path"]).exists()
