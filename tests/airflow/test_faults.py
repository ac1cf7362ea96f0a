"""Airflow's own parts and the cluster break while jobs are waited for: nothing is run twice, lost, or called a success that was none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.airflow.airflow_bench import AirflowBench
from tests.airflow.connections import LOCAL, SLURM
from tests.airflow.scenarios import check_rows, check_sweep
from tests.airflow.world import Run, World
from tests.slurm.bench import SlurmBench

pytestmark = [pytest.mark.adapters, pytest.mark.faults]

SECOND = "second triggerer"
POLL_S = 5.0
"""As the DAGs of the bench ask for."""


@pytest.fixture
def world(airflow_bench: AirflowBench, slurm_bench: SlurmBench) -> Iterator[World]:
    """The Slurm connection; what a test broke is whole again afterwards."""
    airflow_bench.wait_for_dags("one_job", "named_rows")
    yield World(airflow_bench, SLURM, slurm_bench.shared_dir / "faults", slurm_bench)
    slurm_bench.cancel_all_jobs(timeout=180)  # after an outage a node tells of its jobs' ends when it tries again


def start_watched(world: World, name: str, seconds: int) -> Run:
    """A run whose job has started and is waited for by a trigger."""
    run = world.start("one_job", world.project(name, f"sleep {seconds}"))
    run.wait_for_task("deferred")
    run.wait_until_watched()
    return run


def check_one_success(run: Run, timeout: float = 240.0) -> None:
    """The run succeeded with the one job that it started."""
    assert run.end(timeout) == "success"
    (ran,) = run.ran()
    assert run.submitted() == [ran.job_id] == [run.xcom()["job_id"]]


def test_a_triggerer_that_is_killed_and_started_again_goes_on_waiting(world: World) -> None:
    """The trigger is made again from its arguments."""
    run = start_watched(world, "triggerer-killed", 45)
    world.bench.kill_component("triggerer")
    world.bench.start_component("triggerer")
    check_one_success(run)


def test_two_triggerers_share_the_jobs_and_one_takes_all_when_the_other_is_killed(world: World) -> None:
    """One job per task, each in its first try, whoever waits for it."""
    earlier = triggerers(world)
    world.bench.start_component("triggerer", "--skip-serve-logs", name=SECOND)
    try:
        world.client.wait(lambda: triggerers(world) - earlier or None, 180, what=lambda: "the second triggerer")
        run = world.start("named_rows", world.project("shared", "sleep 90"), {"rows": 8})
        both = world.client.wait(
            lambda: owners if len(owners := watched_by(run)) == 2 else None,
            200,
            what=lambda: f"two of {watched_by(run)}",
        )
        world.bench.kill_component("triggerer")
        try:
            (heir,) = world.client.wait(
                lambda: owners if len(owners := watched_by(run)) == 1 else None, 90, what=lambda: "one heir"
            )
            assert heir in both
            assert run.end() == "success"
        finally:
            world.bench.start_component("triggerer")
    finally:
        world.bench.kill_component(SECOND)
    check_rows(run, 8)
    tasks = [task for task in world.client.tasks(run.dag_id, run.run_id) if task["task_id"] == "job"]
    assert {task["try_number"] for task in tasks} == {1}


def triggerers(world: World) -> set[int]:
    """The triggerers that ever said they run, those that were killed among them."""
    jobs = world.client.request("GET", "/jobs?job_type=TriggererJob&limit=100")["jobs"]
    return {job["id"] for job in jobs}


def watched_by(run: Run) -> set[int]:
    """The triggerers that wait for the run's tasks now."""
    tasks = run.client.tasks(run.dag_id, run.run_id)
    return {task["triggerer_job"]["id"] for task in tasks if task["state"] == "deferred" and task["triggerer_job"]}


def test_a_triggerer_that_is_stopped_in_good_order_leaves_its_jobs_alone(world: World) -> None:
    """A restart of the triggerer is no reason to end anything."""
    run = start_watched(world, "triggerer-stopped", 60)
    world.bench.stop_component("triggerer")
    world.bench.start_component("triggerer")
    check_one_success(run)


def test_a_job_survives_the_waking_of_a_triggerer_that_was_taken_for_dead(world: World) -> None:
    """Airflow tells the sleeper's trigger that it was killed, though its task is as alive as the trigger's heir."""
    run = start_watched(world, "reassigned", 90)
    owner = run.task()["triggerer_job"]["id"]
    world.bench.freeze_component("triggerer")
    world.bench.start_component("triggerer", "--skip-serve-logs", name=SECOND)
    try:
        run.client.wait(
            lambda: True if (run.task().get("triggerer_job") or {"id": owner})["id"] != owner else None,
            80,
            what=lambda: "another triggerer to take over",
        )
        world.bench.thaw_component("triggerer")
        check_one_success(run)
    finally:
        world.bench.kill_component(SECOND)


def test_a_task_marked_failed_while_no_triggerer_runs_has_its_job_cancelled_later(world: World) -> None:
    """The kill reaches the trigger when there is a triggerer again."""
    run = start_watched(world, "marked-meanwhile", 300)
    (ran,) = run.ran()
    world.bench.kill_component("triggerer")
    try:
        run.mark("failed")
    finally:
        world.bench.start_component("triggerer")
    run.wait_until_dead(ran.job_id, timeout=120)
    assert run.end() == "failed"
    assert run.ran() == [ran]


def test_a_scheduler_that_is_killed_and_started_again_submits_nothing_twice(world: World) -> None:
    """Airflow's scheduler and its workers die together here."""
    run = start_watched(world, "scheduler-killed", 20)
    world.bench.kill_component("scheduler")
    time.sleep(5)
    world.bench.start_component("scheduler")
    check_one_success(run)


def test_two_minutes_without_a_controller_change_nothing(world: World) -> None:
    """Nothing takes silence for an end; what the job itself wrote down when it ended may be taken for one."""
    assert world.slurm is not None
    run = start_watched(world, "outage", 60)
    world.slurm.stop_controller()
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            assert run.task()["state"] not in ("failed", "up_for_retry", "skipped")
            time.sleep(5)
    finally:
        world.slurm.start_controller()
    check_one_success(run)


def test_two_minutes_without_a_controller_cost_a_submission_no_try(world: World) -> None:
    """The task asks again until the controller is back, and submits its one job then."""
    assert world.slurm is not None
    world.slurm.stop_controller()
    try:
        run = world.start("one_job", world.project("no-controller"))
        run.wait_for_task("running")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            assert run.task()["state"] == "running"
            time.sleep(5)
        assert run.ran() == []
    finally:
        world.slurm.start_controller()
    check_one_success(run)
    assert "it is asked again in" in run.log_of_try()


def test_a_longer_outage_ends_the_try_and_the_next_one_submits_the_one_job(world: World) -> None:
    """The try fails as unreachable, which is retried; none of the tries leaves a job behind."""
    assert world.slurm is not None
    world.slurm.stop_controller()
    try:
        run = world.start("one_impatient_job", world.project("no-controller"))
        run.wait_for_task("up_for_retry", timeout=180)
        assert run.ran() == []
    finally:
        world.slurm.start_controller()
    check_one_success(run)


def test_a_worker_killed_with_its_supervisor_after_submitting_submits_nothing_again(world: World) -> None:
    """Nobody reports the end of that try; Airflow notices that its heartbeat is gone."""
    folder = world.project("lost", "sleep 3")
    (folder / "die-with-supervisor").touch()
    run = world.start("one_job", folder)
    check_one_success(run, timeout=400)
    assert not (folder / "die-with-supervisor").exists()


def test_a_job_at_its_time_limit_fails_and_is_not_tried_again(world: World) -> None:
    """The same request would end in the same way."""
    run = world.start("one_job", world.project("limit", "sleep 300", time_limit="1"))
    assert run.end(300) == "failed"
    assert len(run.ran()) == len(run.submitted()) == 1
    assert run.task()["try_number"] == 1


def test_a_service_that_the_kernel_kills_is_no_success(world: World) -> None:
    """137 is how the end of memory looks from outside where Slurm does not name it."""
    run = world.start("one_job", world.project("killed", "kill -KILL $$"))
    assert run.end(300) == "failed"
    assert len(run.ran()) == len(run.submitted()) == run.task()["try_number"] == 3


def test_a_task_ends_soon_after_its_job(world: World) -> None:
    """One interval until the end is seen, ten seconds for Airflow to go on with the task and end it."""
    waits = []
    for number in range(3):
        run = world.start("one_job", world.project(f"prompt{number}", "sleep 20; date +%s.%N > ended"))
        assert run.end() == "success"
        ended = float((run.folder / "ended").read_text())
        waits.append(datetime.fromisoformat(run.task()["end_date"]).timestamp() - ended)
    assert max(waits) <= POLL_S + 10, waits


def test_forty_mapped_tasks_are_forty_jobs(world: World) -> None:
    """One job a task, each named, none twice."""
    run = world.start("named_rows", world.project("forty", 'echo "$NUMBER" >> numbers'), {"rows": 40})
    assert run.end(1500) == "success"
    check_rows(run, 40)


@pytest.mark.parametrize("dag_id", ["array_sweep", "chunked_sweep"])
def test_an_array_of_two_hundred_trials_runs_each_of_them_once(world: World, dag_id: str) -> None:
    """One job array, watched by one task or by one task for each 64 trials."""
    check_sweep(world, dag_id, 200)


def test_sixty_jobs_that_end_at_once_fail_no_task(
    airflow_bench: AirflowBench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An event right after the deferral can make Airflow take a healthy task for failed."""
    world = World(airflow_bench, LOCAL, tmp_path_factory.mktemp("instant"))
    run = world.start("named_rows", world.project("instant"), {"rows": 60})
    assert run.end(1500) == "success"
    check_rows(run, 60)
    assert {task["try_number"] for task in run.client.tasks(run.dag_id, run.run_id)} == {1}
