"""Jobs that Slurm puts back into the queue: asked to, by preemption, after the loss of a node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm

RESUMING = """
    name: training
    runtime: {{backend: host}}
    x-slurm:
      partition: preempt
      requeue: true
      submit_args: ["--nodelist={node}"]
      resume: {{path: {shared}}}
      artifacts: {{export_dir: out, paths: [/hpc-compose/job/result]}}
    services:
      train:
        script: |
          trap 'echo "told to stop"; exit 0' TERM
          cd "$HPC_COMPOSE_RESUME_DIR"
          step=$(cat step 2>/dev/null || echo 0)
          echo "attempt $HPC_COMPOSE_ATTEMPT resume $HPC_COMPOSE_IS_RESUME from $step"
          echo "$HPC_COMPOSE_ATTEMPT" > "$HPC_COMPOSE_JOB_DIR/result"
          echo $((step + 5)) > step.tmp && mv step.tmp step
          test "$HPC_COMPOSE_ATTEMPT" -ge 1 || while :; do sleep 0.1; done
"""


@pytest.fixture
def slurm_project(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """An empty project folder on the cluster with accounting."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


class Watched:
    """A job whose status is asked for all the time."""

    def __init__(self, project: Project, job: str) -> None:
        self.project = project
        self.job = job
        self.states: list[str] = []

    def look(self) -> dict[str, Any]:
        """The status now; an end may be told only once, and it is the last word."""
        report = self.project.json("status", "--job-id", self.job, code=None)
        if not self.states or self.states[-1] != report["state"]:
            self.states.append(report["state"])
        return report

    def until(self, reached: Callable[[dict[str, Any]], bool], what: str, timeout: float = 90) -> dict[str, Any]:
        """The first status that is as wanted; none before it may call the job ended."""
        deadline = time.monotonic() + timeout
        while not reached(report := self.look()):
            assert not report["terminal"], f"{report['state']} is told as the end, while waiting for {what}"
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s: {self.states}"
        return report

    def end(self) -> dict[str, Any]:
        """The status that is final."""
        return self.until(lambda report: bool(report["terminal"]), "the end")


def started(project: Project, text: str) -> Watched:
    """The job of this file, in its first attempt."""
    project.write(text)
    job = project.submit()
    project.wait(lambda: "attempt 0" in project.log(job, "train"), "the first attempt runs")
    return Watched(project, job)


def preempt(bench: SlurmBench, node: str) -> None:
    """A job of more importance takes the whole node for a moment."""
    bench.submit(
        "sleep 1", "--partition=debug", f"--nodelist={node}", "--exclusive", "--time=1", "--job-name=important"
    )


def requeue(bench: SlurmBench, _node: str, job: str) -> None:
    bench.run(["scontrol", "requeue", job], check=True)


def take_the_node(bench: SlurmBench, node: str, _job: str) -> None:
    preempt(bench, node)


@pytest.mark.parametrize(("how", "status"), [(requeue, "CANCELLED"), (take_the_node, "PREEMPTED")])
def test_the_second_attempt_goes_on_from_the_checkpoint_of_the_first(
    slurm_project: Project, slurm_bench: SlurmBench, how: Callable[[SlurmBench, str, str], None], status: str
) -> None:
    """`scontrol requeue`, and preemption; nobody is told in between that the job had ended."""
    shared = slurm_project.folder.parent / "runs"
    watched = started(slurm_project, RESUMING.format(node="node3", shared=shared))
    job = watched.job
    follower = slurm_project.start("logs", "--follow", "--job-id", job)
    how(slurm_bench, "node3", job)
    waiting = watched.until(lambda report: report["state"] == "PENDING", "it is in the queue again")
    assert (waiting["exit_code"], waiting["ended_at"], waiting["cause"]) == (None, None, None)
    report = watched.end()
    assert (report["state"], report["attempt"], report["is_resume"], report["exit_code"]) == ("COMPLETED", 1, True, 0)
    check_the_attempts(slurm_project, job, shared, status)
    stdout, _ = follower.communicate(timeout=60)
    assert "attempt 0 resume 0 from 0" in stdout
    assert "attempt 1 resume 1 from 5" in stdout


def check_the_attempts(project: Project, job: str, shared: Path, status: str) -> None:
    """Files of both attempts, and what the commands show of them."""
    folder = project.job_dir(job)
    states = [json.loads((folder / f"attempts/{number}/state.json").read_text()) for number in (0, 1)]
    assert [(state["job_status"], state["attempt"], state["is_resume"]) for state in states] == [
        (status, 0, False),
        ("COMPLETED", 1, True),
    ]
    assert {state["resume_dir"] for state in states} == {str(shared)}
    assert str((folder / "state.json").readlink()) == "attempts/1/state.json"
    logs = [project.hpcc("logs", "--attempt", number).stdout for number in ("0", "1")]
    assert logs[0].startswith("attempt 0 resume 0 from 0\n")  # srun itself then tells of the requeue
    assert logs[0].endswith("told to stop\n")
    assert logs[1] == "attempt 1 resume 1 from 5\n"
    assert project.hpcc("logs").stdout == logs[1]
    assert "It has: 0, 1." in project.hpcc("logs", "--attempt", "2", code=2).stderr
    newest = project.json("artifacts")
    assert (newest["manifest"]["attempt"], newest["manifest"]["is_resume"]) == (1, True)
    assert (project.folder / "out/result").read_text() == "1\n"
    first = project.json("artifacts", "--attempt", "0", "--export-dir", "first")
    assert (first["manifest"]["attempt"], first["manifest"]["resume_dir"]) == (0, str(shared))
    assert (project.folder / "first/result").read_text() == "0\n"
    assert project.json("ps")["services"][0]["status"] == "exited"


def test_after_the_loss_of_its_node_the_job_goes_on_elsewhere(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """The first attempt never said its last word; the second one finds its checkpoint."""
    shared = slurm_project.folder.parent / "runs"
    text = RESUMING.format(node="node4", shared=shared).replace('      submit_args: ["--nodelist=node4"]\n', "")
    text = text.replace("partition: preempt", "partition: gpu")
    watched = started(slurm_project, text)
    node = watched.look()["nodelist"]
    slurm_bench.kill_node(node, mark_down=True)
    try:
        watched.until(lambda report: report["state"] == "PENDING", "it is in the queue again")
        report = watched.end()
    finally:
        slurm_bench.start_node(node)
    assert (report["state"], report["attempt"], report["is_resume"]) == ("COMPLETED", 1, True)
    folder = slurm_project.job_dir(watched.job)
    assert json.loads((folder / "attempts/0/state.json").read_text())["job_status"] == "RUNNING"
    assert slurm_project.log(watched.job, "train") == "attempt 1 resume 1 from 5\n"
    assert slurm_project.state(watched.job)["host"] != node


def test_without_resume_a_preempted_job_goes_on_in_its_folder(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """What it says of its end between two attempts is nobody's last word."""
    watched = started(
        slurm_project,
        """
        runtime: {backend: host}
        x-slurm: {partition: preempt, submit_args: ["--nodelist=node3"]}
        services:
          train:
            script: |
              echo "attempt $HPC_COMPOSE_ATTEMPT resume $HPC_COMPOSE_IS_RESUME"
              test "$HPC_COMPOSE_ATTEMPT" -ge 1 || exec sleep 100
        """,
    )
    preempt(slurm_bench, "node3")
    watched.until(lambda report: report["state"] == "PENDING", "it is in the queue again")
    assert slurm_project.state(watched.job)["job_status"] == "PREEMPTED"
    report = watched.end()
    assert (report["state"], report["attempt"]) == ("COMPLETED", 1)
    log = slurm_project.log(watched.job, "train").splitlines()
    assert (log[0], log[-1]) == ("attempt 0 resume 0", "attempt 1 resume 1")
    assert not (slurm_project.job_dir(watched.job) / "attempts").exists()
    only_one = slurm_project.hpcc("logs", "--attempt", "0", code=2).stderr
    assert "x-slurm.resume" in only_one


def test_a_job_that_is_cancelled_while_it_waits_again_has_ended(
    slurm_project: Project, slurm_bench: SlurmBench
) -> None:
    """By the word of the scheduler, whatever its first attempt said."""
    shared = slurm_project.folder.parent / "runs"
    watched = started(slurm_project, RESUMING.format(node="node3", shared=shared))
    slurm_bench.run(["scontrol", "requeue", watched.job], check=True)
    watched.until(lambda report: report["state"] == "PENDING", "it is in the queue again")
    cancelled = slurm_project.json("cancel")
    assert (cancelled["state"], cancelled["confirmed"]) == ("CANCELLED", True)
    assert watched.end()["state"] == "CANCELLED"


def test_an_attempt_that_cannot_begin_is_a_failure(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """It writes nothing of its own, so the scheduler's word counts, and not that of the attempt before."""
    shared = slurm_project.folder.parent / "runs"
    watched = started(slurm_project, RESUMING.format(node="node3", shared=shared))
    slurm_bench.run(["scontrol", "requeue", watched.job], check=True)
    watched.until(lambda report: report["state"] == "PENDING", "it is in the queue again")
    shared.rename(shared.parent / "moved")
    shared.write_text("no folder")
    report = watched.end()
    assert (report["state"], report["cause"]) == ("FAILED", None)
    assert "x-slurm.resume" in Path(report["record"]["batch_log"]).read_text()


def test_a_job_that_may_not_be_requeued_is_not(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """`requeue: false`."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {requeue: false}
        services: {train: {command: sleep 100}}
    """)
    job = slurm_project.submit()
    slurm_project.wait(lambda: slurm_project.service(job, "train").get("status") == "running", "the service runs")
    assert slurm_bench.job(job)["Requeue"] == "0"
    assert slurm_bench.run(["scontrol", "requeue", job]).returncode == 1
    assert slurm_project.json("cancel")["state"] == "CANCELLED"
