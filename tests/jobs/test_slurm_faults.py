"""What only a real scheduler can do to a job."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm

COUNTED = """
    name: counted
    runtime: {backend: host}
    services:
      work: {command: 'echo "$SLURM_JOB_ID" >> ran; sleep 1'}
"""


@pytest.fixture
def slurm_project(slurm_bench: SlurmBench, shared_tmp: Path) -> Project:
    """An empty project folder on the cluster with accounting."""
    return Project(shared_tmp / "project", "slurm", slurm_bench.environment)


def test_slurm_sees_the_exit_code_of_the_failed_service(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """FAILED 17:0, in the controller and in the accounting."""
    slurm_project.write("""
        runtime: {backend: host}
        services: {broken: {command: exit 17}}
    """)
    job = slurm_project.up(code=1)["job_id"]
    slurm_bench.wait_for_state(job, "FAILED")
    assert slurm_bench.job(job)["ExitCode"] == "17:0"

    def accounted() -> bool:
        argv = ["sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode"]
        return slurm_bench.run(argv).stdout.strip() == "FAILED|17:0"

    slurm_bench.wait_for(accounted, what="the accounting knows it")


def test_a_frozen_controller_during_submit_leads_to_exactly_one_job(
    slurm_project: Project, slurm_bench: SlurmBench
) -> None:
    """sbatch times out although the controller takes the job later: the client asks for the token, it never submits again."""
    slurm_project.write(COUNTED)
    slurm_bench.freeze_controller()
    try:
        client = slurm_project.start("submit", "--format", "json")
        slurm_project.wait(
            lambda: list(slurm_project.folder.glob(".hpc-compose/submissions/*/submitting.*")), "sbatch is running"
        )
        time.sleep(slurm_bench.layout.message_timeout_s + 4)  # sbatch gives up
        assert client.poll() is None, client.communicate()
    finally:
        slurm_bench.thaw_controller()
    stdout, stderr = client.communicate(timeout=180)
    assert client.returncode == 0, stderr
    job = json.loads(stdout)["job_id"]
    slurm_project.wait(lambda: slurm_project.state(job).get("job_status") == "COMPLETED", "the job completes")
    assert (slurm_project.folder / "ran").read_text().split() == [job]
    assert [item["job_id"] for item in slurm_project.json("jobs")["jobs"]] == [job]


def test_a_controller_that_is_down_costs_nothing_and_the_next_command_settles_it(
    slurm_project: Project, slurm_bench: SlurmBench
) -> None:
    """Exit 4, the intent is kept; with the same run key the job is submitted once the controller is back."""
    slurm_project.write(COUNTED)
    slurm_bench.kill_controller()
    try:
        report = json.loads(slurm_project.hpcc("submit", "--run-key", "k", "--format", "json", code=4).stdout)
        assert report["error"]["problems"][0]["remedy"]
        intents = list(slurm_project.folder.glob(".hpc-compose/submissions/*/intent.json"))
        assert len(intents) == 1
        slurm_project.hpcc("status", code=4)
    finally:
        slurm_bench.start_controller()
    job = slurm_project.submit("--run-key", "k")
    slurm_project.wait(lambda: slurm_project.state(job).get("job_status") == "COMPLETED", "the job completes")
    assert (slurm_project.folder / "ran").read_text().split() == [job]
    assert len(list(slurm_project.folder.glob(".hpc-compose/submissions/*/intent.json"))) == 1


def test_an_unreachable_controller_is_no_end_of_a_running_job(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """Its own heartbeat speaks for it."""
    slurm_project.write("""
        runtime: {backend: host}
        services: {work: {command: sleep 60}}
    """)
    job = slurm_project.submit()
    slurm_project.wait(lambda: slurm_project.service(job, "work").get("status") == "running", "the service runs")
    slurm_bench.freeze_controller()
    try:
        report = slurm_project.json("status")
        assert (report["state"], report["terminal"]) == ("RUNNING", False)
        assert "does not answer" in report["detail"]
        slurm_project.hpcc("cancel", code=4)
    finally:
        slurm_bench.thaw_controller()
    assert slurm_project.json("cancel")["confirmed"] is True


def test_a_reused_job_id_is_told_apart_by_the_token(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """The controller loses its state and counts from the same number again."""
    slurm_project.write(COUNTED)
    first = slurm_project.up()
    slurm_bench.reset_job_ids(int(first["job_id"]))
    second = slurm_project.up()
    assert second["job_id"] == first["job_id"]
    assert second["submission_token"] != first["submission_token"]
    jobs = slurm_project.json("jobs", "--all")["jobs"]
    assert {(item["submission_token"], item["state"]) for item in jobs} == {
        (first["submission_token"], "COMPLETED"),
        (second["submission_token"], "COMPLETED"),
    }
    kept = slurm_project.folder / ".hpc-compose" / f"{first['job_id']}~{first['submission_token'][:8]}"
    assert json.loads((kept / "state.json").read_text())["submission_token"] == first["submission_token"]


def test_the_rendered_script_runs_by_itself(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """`hpcc render -o job.sbatch && sbatch job.sbatch`."""
    slurm_project.write(COUNTED)
    slurm_project.hpcc("render", "-o", "job.sbatch")
    folder = str(slurm_project.folder)
    job = slurm_bench.run(["sbatch", "--parsable", f"--chdir={folder}", f"{folder}/job.sbatch"]).stdout.strip()
    slurm_bench.wait_for_state(job, "COMPLETED")


def test_a_requeued_job_runs_again_under_its_token(slurm_project: Project, slurm_bench: SlurmBench) -> None:
    """The claim is its own; the second attempt completes."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {requeue: true, stop_grace_seconds: 1}
        services:
          work:
            script: |
              echo "attempt $HPC_COMPOSE_ATTEMPT"
              test "$HPC_COMPOSE_ATTEMPT" -ge 1 || sleep 100
    """)
    job = slurm_project.submit()
    slurm_project.wait(lambda: "attempt 0" in slurm_project.log(job, "work"), "the first attempt runs")
    slurm_bench.run(["scontrol", "requeue", job])
    slurm_project.wait(lambda: "attempt 1" in slurm_project.log(job, "work"), "the second attempt runs")
    slurm_bench.wait_for_state(job, "COMPLETED")
    report = slurm_project.json("status")
    assert (report["state"], report["attempt"]) == ("COMPLETED", 1)


def test_without_accounting_the_job_says_itself_how_it_ended(
    slurm_bench_without_accounting: SlurmBench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Completed, failed and cancelled are told apart, and jobs are found."""
    bench = slurm_bench_without_accounting
    folder = Path(bench.shared_dir) / tmp_path_factory.mktemp("plain").name
    project = Project(folder / "project", "slurm", bench.environment)
    project.write(COUNTED)
    assert project.up()["state"] == "COMPLETED"
    project.write("runtime: {backend: host}\nservices: {a: {command: exit 3}}\n")
    assert project.up(code=1)["exit_code"] == 3
    project.write("runtime: {backend: host}\nservices: {a: {command: sleep 100}}\n")
    job = project.submit()
    project.wait(lambda: project.service(job, "a").get("status") == "running", "the service runs")
    assert project.json("cancel")["state"] == "CANCELLED"
    assert [item["state"] for item in project.json("jobs", "--all")["jobs"]] == ["CANCELLED", "FAILED", "COMPLETED"]


def test_a_refusal_says_why_and_leaves_no_job(slurm_project: Project) -> None:
    """An unknown partition."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {partition: nowhere}
        services: {a: {command: 'true'}}
    """)
    done = slurm_project.hpcc("submit", code=1)
    assert "partition" in done.stderr
    assert slurm_project.json("jobs")["jobs"] == []


def test_at_the_time_limit_services_are_told_and_artifacts_are_kept(
    slurm_project: Project, slurm_bench: SlurmBench
) -> None:
    """Within the site's KillWait; the job's end is a TIMEOUT, for Slurm and for us."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm:
          time: "1"
          artifacts: {export_dir: out, paths: [/hpc-compose/job/saved]}
        services:
          work:
            script: |
              trap 'echo checkpoint > "$HPC_COMPOSE_JOB_DIR/saved"; exit 0' TERM
              while :; do sleep 0.2; done
    """)
    job = slurm_project.submit()
    slurm_project.wait(lambda: slurm_project.service(job, "work").get("status") == "running", "the service runs")
    slurm_bench.wait_for_state(job, "TIMEOUT", timeout=150)
    report = slurm_project.json("status", code=1)
    assert (report["state"], report["cause"]) == ("TIMEOUT", "time_limit")
    assert (slurm_project.job_dir(job) / "artifacts/payload/saved").read_text() == "checkpoint\n"


def test_a_distributed_service_and_a_helper_share_a_multi_node_job(slurm_project: Project) -> None:
    """Four nodes: eight tasks on all of them, the helper on the primary one, all with the same allocation variables."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks_per_node: 2}
        services:
          helper:
            command: 'echo "$(hostname) $HPC_COMPOSE_PRIMARY_NODE $HPC_COMPOSE_NODE_COUNT"; sleep 1'
          spread:
            command: 'echo "$(hostname) $SLURM_PROCID $SLURM_NTASKS $HPC_COMPOSE_PRIMARY_NODE"'
            x-slurm: {nodes: 4}
    """)
    job = slurm_project.up()["job_id"]
    primary = (slurm_project.job_dir(job) / "allocation/primary_node").read_text().strip()
    nodes = (slurm_project.job_dir(job) / "allocation/nodes.txt").read_text().split()
    lines = [line.split() for line in slurm_project.log(job, "spread").splitlines()]
    assert slurm_project.log(job, "helper").split() == [primary, primary, "4"]
    assert sorted(line[0] for line in lines) == sorted(nodes * 2)
    assert sorted(int(line[1]) for line in lines) == list(range(8))
    assert {(line[2], line[3]) for line in lines} == {("8", primary)}


def test_a_batch_service_can_start_steps_of_its_own(slurm_project: Project) -> None:
    """It runs in the batch step, and its srun has the whole allocation."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {ntasks: 2, cpus_per_task: 1}
        services:
          rule:
            command: srun --ntasks=2 sh -c 'echo task $SLURM_PROCID'
            x-slurm: {launch: batch}
    """)
    job = slurm_project.up()["job_id"]
    assert sorted(slurm_project.log(job, "rule").splitlines()) == ["task 0", "task 1"]


def test_a_requested_gpu_is_visible_in_the_step(slurm_project: Project) -> None:
    """As Slurm grants it."""
    slurm_project.write("""
        runtime: {backend: host}
        x-slurm: {gres: "gpu:1"}
        services: {probe: {command: 'echo "gpu=$CUDA_VISIBLE_DEVICES"'}}
    """)
    job = slurm_project.up()["job_id"]
    assert slurm_project.log(job, "probe") == "gpu=0\n"
