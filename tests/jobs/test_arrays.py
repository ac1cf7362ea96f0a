"""Job arrays: one submission, one record, and for each task what a job has."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from tests.jobs.project import Project

THREE = """
name: three
runtime: {backend: host}
x-slurm:
  array: "%s"
  time: "00:05:00"
  artifacts:
    export_dir: out/${SLURM_ARRAY_JOB_ID}/${SLURM_ARRAY_TASK_ID}
    paths: [/hpc-compose/job/result.txt]
services:
  app:
    command: |
      echo "task $HPC_COMPOSE_ARRAY_TASK_ID of $HPC_COMPOSE_ARRAY_TASK_COUNT in $HPC_COMPOSE_JOB_ID"
      echo "$SLURM_ARRAY_TASK_ID" > "$HPC_COMPOSE_JOB_DIR/result.txt"
      exit %s
"""


def test_every_task_runs_once_and_has_what_a_job_has(project: Project) -> None:
    """Folder, state, logs and artifacts by `<array>_<task>`; all of them together by the array's id."""
    project.write(THREE % ("0-2%2", "0"))
    report = project.up()
    array = report["job_id"]
    assert (report["state"], report["exit_code"], report["array"]["counts"]) == ("COMPLETED", 0, {"COMPLETED": 3})
    for task in range(3):
        job_id = f"{array}_{task}"
        assert project.state(job_id)["job_status"] == "COMPLETED"
        assert project.log(job_id, "app") == f"task {task} of 3 in {job_id}\n"
        assert len(project.events(job_id, "started")) == 1
        assert project.json("status", "--job-id", job_id)["array_task_id"] == task
    logs = project.json("logs", "--job-id", array)["lines"]
    assert [line["service"] for line in logs] == ["0/app", "1/app", "2/app"]
    project.hpcc("artifacts", "--job-id", array)
    for task in range(3):
        assert (project.folder / "out" / array / str(task) / "result.txt").read_text() == f"{task}\n"
    assert list(project.json("jobs")["jobs"][0]["array"]["counts"]) == ["COMPLETED"]


def test_one_failing_task_fails_the_array_and_is_named(project: Project) -> None:
    """The others run to their end all the same."""
    project.write(THREE % ("1,3,5-6", "$(( SLURM_ARRAY_TASK_ID == 5 ? 7 : 0 ))"))
    report = project.up(code=1)
    assert (report["state"], report["exit_code"]) == ("FAILED", 7)
    assert report["array"]["failed_tasks"] == [5]
    assert report["array"]["counts"] == {"COMPLETED": 3, "FAILED": 1}
    text = project.hpcc("status", "--job-id", report["job_id"], code=1).stdout
    assert "task 5: FAILED (exit 7, service_failed)" in text
    rows = project.hpcc("ps", "--job-id", report["job_id"], code=1).stdout.splitlines()
    assert [row.split()[0] for row in rows[1:]] == [f"{report['job_id']}_{task}" for task in (1, 3, 5, 6)]


WAITING = """
name: waiting
runtime: {backend: host}
x-slurm: {array: "0-3%2", time: "00:05:00"}
services:
  app: {command: [sleep, "300"]}
"""


def test_one_task_is_cancelled_alone_and_then_the_rest(project: Project) -> None:
    """Running and waiting tasks end; who never started is CANCELLED, too."""
    project.write(WAITING)
    array = project.submit()
    project.wait(lambda: project.service(f"{array}_0", "app").get("status") == "running", "task 0 runs")
    project.wait(lambda: project.service(f"{array}_1", "app").get("status") == "running", "task 1 runs")
    one = project.json("cancel", "--job-id", f"{array}_1")
    assert (one["confirmed"], one["state"]) == (True, "CANCELLED")
    states: dict[int, Any] = {
        task["task_id"]: task["state"] for task in project.json("status", "--job-id", array)["array"]["tasks"]
    }
    assert (states[0], states[1]) == ("RUNNING", "CANCELLED")
    rest = project.json("cancel", "--job-id", array)
    assert (rest["confirmed"], rest["state"]) == (True, "CANCELLED")
    assert rest["job"]["array"]["counts"] == {"CANCELLED": 4}


def test_a_second_submit_with_the_same_run_key_gives_the_same_array(project: Project) -> None:
    """One token stands for all tasks."""
    project.write(THREE % ("0-1", "0"))
    first = project.up("--run-key", "sweep")
    again = project.up("--run-key", "sweep")
    assert (again["job_id"], again["attached"]) == (first["job_id"], True)
    claims = list((project.folder / ".hpc-compose" / "submissions").glob("*/claim"))
    assert [json.loads(claim.read_text())["job_id"] for claim in claims] == [first["job_id"]]


def test_a_twin_of_an_array_ends_before_any_service_and_every_task_of_the_first_runs(project: Project) -> None:
    """The same script with the same token, handed over a second time behind the back of the first."""
    if project.engine == "local":
        return  # the job table gives one token one array; see the tests of the engine
    project.write(THREE % ("0-2", "0"))
    array = project.submit()
    (submission,) = (project.folder / ".hpc-compose" / "submissions").iterdir()
    project.wait((submission / "claim").exists, "the first array to claim its token")
    twin = subprocess.run(
        ["sbatch", "--parsable", str(submission / "job.sbatch"), f"claim:{submission.name}"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    project.wait((submission / f"duplicate.{twin}").exists, "the twin to notice")
    project.wait(lambda: project.json("status", "--job-id", array, code=None)["terminal"], "the array to end")
    report = project.json("status", "--job-id", array)
    assert report["array"]["counts"] == {"COMPLETED": 3}
    for task in range(3):
        assert len(project.events(f"{array}_{task}", "started")) == 1
        log = project.folder / f"slurm-{twin}_{task}.out"
        project.wait(log.exists, "the twin's task to say something")
        project.wait(partial(_says, log, "nothing is started"), "the twin's task to end")
    assert not list((project.folder / ".hpc-compose").glob(f"{twin}_*"))


def _says(log: Path, text: str) -> bool:
    return text in log.read_text()


def test_job_folders_of_an_array_may_lie_elsewhere_and_logs_be_named_otherwise(project: Project) -> None:
    """Records follow both."""
    runs = project.folder.parent / "runs"
    project.write(
        (THREE % ("4,6", "0")).replace(
            "x-slurm:\n", f"x-slurm:\n  runtime_root: {runs}\n  output: logs/%x-%A.%3a.log\n"
        )
    )
    array = project.up()["job_id"]
    for task in (4, 6):
        status = project.json("status", "--job-id", f"{array}_{task}")
        assert status["record"]["job_dir"] == str(runs / f"{array}_{task}")
        assert (runs / f"{array}_{task}" / "state.json").exists()
        assert status["record"]["batch_log"] == str(project.folder / "logs" / f"three-{array}.00{task}.log")
        assert "COMPLETED" in Path(status["record"]["batch_log"]).read_text()
    assert not list((project.folder / ".hpc-compose").glob(f"{array}_*"))


def test_an_array_that_is_too_large_is_refused_with_what_to_do(project: Project) -> None:
    """By sbatch; this machine has no such limit."""
    if project.engine == "local":
        return
    project.write(THREE % ("0-200000", "0"))
    refused = project.hpcc("submit", code=1)
    assert "MaxArraySize" in refused.stderr
    assert project.json("jobs")["jobs"] == []
