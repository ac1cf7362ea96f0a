"""A project's folder that was renamed after its jobs."""

from __future__ import annotations

import shutil
from pathlib import Path

from compose_core.records.paths import ProjectPaths
from compose_core.tracking.find_job import find_job
from compose_core.tracking.jobs import tracked_jobs
from tests.core.tracking.world import World


def test_a_job_is_found_where_its_project_is_now(world: World, tmp_path: Path) -> None:
    """By id, as the newest, and in the list."""
    before = find_job(world.project)
    Path(before.job_dir).mkdir(parents=True, exist_ok=True)
    now = tmp_path / "renamed"
    world.project.project_dir.rename(now)
    project = ProjectPaths(now)
    for found in (find_job(project), find_job(project, "7"), tracked_jobs(project).records[0]):
        assert found.job_dir == before.job_dir.replace(before.submit_dir, str(now))
        assert found.submit_dir == str(now)
        assert all(path.startswith(f"{now}/") for path in found.service_logs.values())


def test_a_copy_of_a_project_leaves_the_job_where_it_is(world: World, tmp_path: Path) -> None:
    """The folder that the record names still holds it."""
    before = find_job(world.project)
    Path(before.job_dir).mkdir(parents=True, exist_ok=True)
    shutil.copytree(world.project.project_dir, tmp_path / "copy")
    assert find_job(ProjectPaths(tmp_path / "copy")).job_dir == before.job_dir
