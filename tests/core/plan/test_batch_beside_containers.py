"""A service of the batch step runs on the node, whatever the others run in."""

from __future__ import annotations

from pathlib import Path

from compose_core.plan.model import shown
from tests.core.plan.test_build import plan_of

TEXT = """
runtime: {backend: pyxis}
x-slurm: {ntasks: 4}
services:
  app:
    command: ["run", "/hpc-compose/job/x"]
    working_dir: sub
    environment: {OUT: /hpc-compose/job/out}
    x-slurm: {launch: batch}
  db: {image: redis, command: [serve, /hpc-compose/job/x], x-slurm: {lifecycle: sidecar}}
"""


def test_it_has_no_container_and_sees_the_real_job_folder(tmp_path: Path) -> None:
    app, db = plan_of(tmp_path, TEXT).steps
    assert (app.backend, app.image, app.mounts) == ("host", None, ())
    assert [shown(word) for word in app.argv] == ["run", "${HPC_COMPOSE_JOB_DIR}/x"]
    assert shown(app.environment[0].value) == "${HPC_COMPOSE_JOB_DIR}/out"
    assert app.working_dir is not None
    assert shown(app.working_dir) == f"{tmp_path}/sub"
    assert (db.backend, shown(db.argv[-1])) == ("pyxis", "/hpc-compose/job/x")


def test_a_file_of_batch_services_needs_no_container_program(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "services: {app: {command: run, x-slurm: {launch: batch}}}")
    assert (plan.backend, plan.steps[0].backend) == ("host", "host")
