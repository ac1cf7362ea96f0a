"""Assertions of real jobs, on both engines."""

from __future__ import annotations

from tests.jobs.project import Project


def test_a_job_without_its_output_fails(project: Project) -> None:
    """Although every service ended with 0; `status` and `ps` say what is missing."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {artifacts: {collect: on_failure, paths: ["/hpc-compose/job/out/**"], export_dir: results}}
        services:
          train:
            script: mkdir "$HPC_COMPOSE_JOB_DIR/out"; touch "$HPC_COMPOSE_JOB_DIR/out/log.txt"
            assert: {artifacts_contain: ["/hpc-compose/job/out/*.txt", "out/*.pt"], max_duration_seconds: 600}
          three: {command: exit 3, assert: {exit_code: 3}}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["state"], report["exit_code"], report["cause"]) == ("FAILED", 1, "assertion_failed")
    services = {item["service_name"]: item["assertions"] for item in project.json("ps", code=1)["services"]}
    assert (services["train"]["status"], services["train"]["failures"]) == (
        "failed", ["nothing in the job folder matches out/*.pt"],
    )  # fmt: skip
    assert services["three"]["status"] == "passed"
    for command in ("status", "ps"):
        text = project.hpcc(command, code=1).stdout
        assert "assert service 'train': failed: nothing in the job folder matches out/*.pt" in text
        assert "assert service 'three': passed" in text
    assert (project.job_dir(job) / "artifacts/payload/out/log.txt").exists()


def test_what_holds_lets_the_job_complete(project: Project) -> None:
    project.write("""
        runtime: {backend: host}
        services:
          app:
            script: echo x > "$HPC_COMPOSE_JOB_DIR/result.txt"; exit 7
            assert: {exit_code: 7, artifacts_contain: [result.txt], max_duration_seconds: 60}
    """)
    report = project.up()
    assert (report["state"], report["exit_code"]) == ("COMPLETED", 0)
    assert project.service(report["job_id"], "app")["assertions"]["status"] == "passed"
