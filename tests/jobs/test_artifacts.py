"""What a job keeps, and what `hpcc artifacts` exports."""

from __future__ import annotations

import json
import tarfile

import pytest

from tests.jobs.project import Project

SPEC = """
    runtime: {{backend: host}}
    x-slurm:
      artifacts:
        collect: {collect}
        export_dir: ./results/${{SLURM_JOB_ID}}
        paths: [/hpc-compose/job/out/**]
        bundles:
          models: {{paths: ["/hpc-compose/job/models/*.bin"]}}
    services:
      work:
        script: |
          cd "$HPC_COMPOSE_JOB_DIR"
          mkdir -p out/deep models
          echo one > out/deep/one.txt
          echo weights > models/a.bin
          echo notes > models/a.txt
          exit {code}
"""


def test_artifacts_of_a_completed_job_are_exported(project: Project) -> None:
    """The default bundle to the export folder, named ones below `bundles/`, with provenance and archives."""
    project.write(SPEC.format(collect="on_success", code=0))
    job = project.up()["job_id"]
    project.json("artifacts", "--tarball")
    results = project.folder / "results" / job
    assert (results / "out/deep/one.txt").read_text() == "one\n"
    assert (results / "bundles/models/models/a.bin").read_text() == "weights\n"
    assert not (results / "bundles/models/models/a.txt").exists()
    provenance = json.loads((results / "_hpc-compose/bundles/models.json").read_text())
    assert (provenance["job_id"], provenance["bundle"]) == (job, "models")
    with tarfile.open(results / "models.tar.gz") as archive:
        assert any(name.endswith("models/a.bin") for name in archive.getnames())


@pytest.mark.parametrize(("collect", "kept"), [("on_failure", True), ("always", True), ("on_success", False)])
def test_a_failed_job_keeps_what_its_policy_says(project: Project, collect: str, kept: bool) -> None:
    """And the job still ends with the service's code."""
    project.write(SPEC.format(collect=collect, code=3))
    report = project.up(code=1)
    assert report["exit_code"] == 3
    assert (project.job_dir(report["job_id"]) / "artifacts/payload/out/deep/one.txt").exists() is kept
    if kept:
        manifest = json.loads((project.job_dir(report["job_id"]) / "artifacts/manifest.json").read_text())
        assert (manifest["job_outcome"], manifest["complete"]) == ("failure", True)


def test_one_bundle_is_exported_alone(project: Project) -> None:
    """`--bundle` leaves the others where they are."""
    project.write(SPEC.format(collect="always", code=0))
    job = project.up()["job_id"]
    project.hpcc("artifacts", "--bundle", "models")
    results = project.folder / "results" / job
    assert (results / "bundles/models").is_dir()
    assert not (results / "out").exists()
