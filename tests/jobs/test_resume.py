"""Going on from a checkpoint in a shared folder: a later job, an earlier attempt, a changed configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.project import Project

TRAINING = """
    name: training
    runtime: {{backend: host}}
    x-slurm:
      time: "{time}"
      resume: {{path: {path}}}
    services:
      train:
        environment: {{MODE: "{mode}", API_TOKEN: "{secret}"}}
        script: |
          echo "attempt $HPC_COMPOSE_ATTEMPT resume $HPC_COMPOSE_IS_RESUME in $HPC_COMPOSE_RESUME_DIR"
          cat "$HPC_COMPOSE_RESUME_DIR/step" 2>/dev/null || echo "no checkpoint"
          echo "step 5" > "$HPC_COMPOSE_RESUME_DIR/step"
"""
SECRETS = ("canary-one-4711", "canary-two-4712")


@pytest.fixture
def shared(project: Project) -> Path:
    """The resume folder, beside the project."""
    return project.folder.parent / "runs" / "1"


def write(project: Project, shared: Path, *, time: str = "5", mode: str = "fast", secret: str = SECRETS[0]) -> None:
    project.write(TRAINING.format(path=shared, time=time, mode=mode, secret=secret))


def test_a_later_job_goes_on_from_the_checkpoint_of_an_earlier_one(project: Project, shared: Path) -> None:
    """Attempt 0 again, and a resume; files, status and record say so."""
    write(project, shared)
    first, second = project.up(), project.up()
    logs = [project.log(report["job_id"], "train") for report in (first, second)]
    assert logs[0] == f"attempt 0 resume 0 in {shared}\nno checkpoint\n"
    assert logs[1] == f"attempt 0 resume 1 in {shared}\nstep 5\n"
    assert [(report["attempt"], report["is_resume"]) for report in (first, second)] == [(0, False), (0, True)]
    status = project.json("status")
    assert status["record"]["resume_dir"] == str(shared)
    state = project.state(second["job_id"])
    assert (state["is_resume"], state["resume_dir"]) == (True, str(shared))
    assert [event["attempt"] for event in project.events(second["job_id"], "resumed")] == [0]
    assert f"resume from {shared}, where an earlier run was" in project.hpcc("status").stdout
    note = json.loads((shared / "_hpc-compose/latest.json").read_text())
    assert (note["job_id"], note["attempt"], note["name"]) == (second["job_id"], 0, "training")


def test_the_mount_in_a_command_stands_for_the_folder_on_the_host(project: Project, shared: Path) -> None:
    """In list form, in the environment and as working folder."""
    shared.mkdir(parents=True)
    (shared / "step").write_text("step 7\n")
    project.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{resume: {{path: {shared}}}}}
        services:
          words: {{command: [cat, /hpc-compose/resume/step]}}
          variable: {{command: 'echo "$FROM"', environment: {{FROM: /hpc-compose/resume/step}}}}
          folder: {{command: cat step, working_dir: /hpc-compose/resume}}
    """)
    job = project.up()["job_id"]
    logs = {name: project.log(job, name) for name in ("words", "variable", "folder")}
    assert logs == {"words": "step 7\n", "variable": f"{shared}/step\n", "folder": "step 7\n"}


def test_a_changed_configuration_is_refused_unless_it_is_allowed(project: Project, shared: Path) -> None:
    """Exit 1, the keys are named, and nothing is submitted."""
    write(project, shared)
    job = project.up()["job_id"]
    write(project, shared, time="10", mode="slow")
    for arguments in (("submit",), ("submit", "--dry-run")):
        done = project.hpcc(*arguments, code=1)
        assert f"the configuration is not that of job {job}" in done.stderr
        assert "services.train.environment.MODE, x-slurm.time" in done.stderr
        assert "--allow-resume-changes" in done.stderr
    assert [item["job_id"] for item in project.json("jobs")["jobs"]] == [job]
    assert project.up("--allow-resume-changes")["is_resume"] is True
    assert project.up()["is_resume"] is True  # what runs now is what it is compared with


def test_the_difference_is_shown_and_nothing_is_submitted(project: Project, shared: Path) -> None:
    """As text and as JSON; what looks secret is hidden, but a change of it counts."""
    write(project, shared)
    assert "no run has used" in project.hpcc("up", "--resume-diff-only").stderr
    job = project.up()["job_id"]
    assert f"nothing changed since job {job}" in project.hpcc("up", "--resume-diff-only").stderr
    assert project.json("up", "--resume-diff-only")["changed"] is False
    write(project, shared, mode="slow")
    assert '~ services.train.environment.MODE: "fast" -> "slow"' in project.hpcc("up", "--resume-diff-only").stdout
    report = project.json("submit", "--resume-diff-only")
    assert (report["submitted"], report["earlier_job_id"], report["changed"]) == (False, job, True)
    assert report["changes"] == [
        {"key": "services.train.environment.MODE", "kind": "changed", "before": "fast", "after": "slow"}
    ]
    write(project, shared, secret=SECRETS[1])
    told = [project.hpcc("up", "--resume-diff-only"), project.hpcc("up", code=1)]
    told.append(project.hpcc("up", "--resume-diff-only", "--format", "json"))
    assert "? services.train.environment.API_TOKEN" in told[0].stdout
    shown = "".join(done.stdout + done.stderr for done in told) + (shared / "_hpc-compose/latest.json").read_text()
    assert not any(secret in shown for secret in SECRETS)
    assert [item["job_id"] for item in project.json("jobs")["jobs"]] == [job]


def test_a_run_key_in_use_attaches_whatever_the_configuration_is_now(project: Project, shared: Path) -> None:
    """Nothing is submitted, so nothing goes on from a wrong checkpoint."""
    write(project, shared)
    job = project.up("--run-key", "k")["job_id"]
    write(project, shared, mode="slow")
    assert project.up("--run-key", "k")["job_id"] == job


def test_a_resume_folder_that_cannot_be_used_ends_the_job_before_its_first_service(
    project: Project, shared: Path
) -> None:
    """The batch log says why."""
    shared.parent.mkdir(parents=True)
    shared.write_text("a file")
    write(project, shared)
    report = project.up("--allow-resume-changes", code=1)
    assert report["state"] == "FAILED"
    assert f"x-slurm.resume: {shared} is no folder" in Path(report["batch_log"]).read_text()


def test_without_resume_there_is_nothing_to_compare(project: Project) -> None:
    """The command says so."""
    project.write("runtime: {backend: host}\nservices: {a: {command: 'true'}}\n")
    assert "x-slurm.resume" in project.hpcc("up", "--resume-diff-only", code=2).stderr
