"""What happens to a job's task from its start to its end, each as a function of a world; they run side by side in one Airflow.

A scenario looks at jobs that ran (their own notes), at the scheduler, and only then at what Airflow shows.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.airflow.connections import DASHBOARD, SSH_NOBODY_THERE, SSH_UNKNOWN_HOST, SSH_WRONG_KEY
from tests.airflow.world import Run, World

Scenario = Callable[[World], None]


def a_job_succeeds(world: World) -> None:
    """One job; its handle before and its result after the deferral; its services' lines in the task's log; links."""
    run = world.start("one_job", world.project("succeeds", "sleep 2"))
    assert run.end() == "success"
    (ran,) = run.ran()
    result, handle = run.xcom(), run.xcom("job")
    assert run.submitted() == [ran.job_id] == [result["job_id"]] == [handle["job_id"]]
    assert handle["token"] == ran.token
    assert (result["state"], result["verdict"], result["exit_code"]) == ("COMPLETED", "ok", 0)
    assert result["services"]["app"]["exit_code"] == 0
    assert f"app of {ran.job_id} speaks" in run.log()
    assert run.task()["try_number"] == 1
    links = run.client.links(run.dag_id, run.run_id, "job")
    page = handle["dashboard_url"]
    assert page.startswith(DASHBOARD)
    assert ran.job_id in page
    assert links == {"HPC job": page, "Batch log": f"{page}/logs/batch", "Submitted script": f"{page}/script"}


def a_job_is_watched_by_a_worker(world: World) -> None:
    """`deferrable=False`: the same job and result without a triggerer."""
    run = world.start("one_job_in_the_worker", world.project("worker", "sleep 2"))
    assert run.end() == "success"
    (ran,) = run.ran()
    assert run.submitted() == [ran.job_id] == [run.xcom()["job_id"]]
    assert run.xcom()["verdict"] == "ok"


def a_failing_job_is_submitted_once_per_try(world: World) -> None:
    """Two retries are three jobs with three tokens, and the task's log says what failed."""
    run = world.start("one_job", world.project("fails", "exit 17"))
    assert run.end() == "failed"
    ran = run.ran()
    assert len(ran) == len({job.token for job in ran}) == len({job.job_id for job in ran}) == 3
    assert run.submitted() == sorted(job.job_id for job in ran)
    assert run.task()["try_number"] == 3
    assert "17" in run.log(try_number=3)


def a_task_marked_failed_while_deferred_cancels_its_job(world: World) -> None:
    """A person gives up: the job dies, and nothing takes its place."""
    run = world.start("one_job", world.project("marked", "sleep 300"))
    (ran,) = run.wait_for_ran()
    run.wait_for_task("deferred")
    run.wait_until_watched()
    run.mark("failed")
    run.wait_until_dead(ran.job_id)
    assert run.end() == "failed"
    assert run.ran() == [ran]
    assert run.submitted() == [ran.job_id]


def a_task_cleared_after_success_runs_again(world: World) -> None:
    """Clear means do it again: a second job, with a token of its own."""
    run = world.start("one_job", world.project("cleared"))
    assert run.end() == "success"
    run.clear()
    run.wait_for_ran(2)
    assert run.end() == "success"
    first, second = run.ran()
    assert first.token != second.token
    assert run.xcom()["job_id"] == second.job_id
    assert run.submitted() == sorted([first.job_id, second.job_id])


def a_task_cleared_while_deferred_replaces_its_job(world: World) -> None:
    """The old job dies, the new one lives on: the old trigger's end must not take it down."""
    run = world.start(
        "one_job", world.project("replaced", "test -e go || touch go && sleep 25; test -e done || sleep 1")
    )
    (old,) = run.wait_for_ran()
    run.wait_for_task("deferred")
    run.clear()
    _, new = run.wait_for_ran(2)
    run.wait_until_dead(old.job_id)
    assert run.end() == "success"
    assert run.ran() == [old, new]
    assert run.xcom()["job_id"] == new.job_id
    assert run.submitted() == sorted([old.job_id, new.job_id])


def a_job_that_runs_too_long_is_cancelled(world: World) -> None:
    """`run_timeout`: the job dies and no retry repeats what takes too long."""
    run = world.start("one_job_with_a_run_timeout", world.project("long", "sleep 300"))
    assert run.end() == "failed"
    (ran,) = run.ran()
    run.wait_until_dead(ran.job_id)
    assert run.task()["try_number"] == 1


def a_job_that_waits_too_long_is_cancelled(world: World) -> None:
    """`queue_timeout`: a job that the scheduler holds back leaves the queue, and has not run."""
    run = world.start("one_job_with_a_queue_timeout", world.project("queued", job="submit_args: [--begin=now+1hour]"))
    assert run.end() == "failed"
    (job,) = run.submitted()
    run.wait_until_dead(job)
    assert run.ran() == []


def a_worker_killed_after_submitting_submits_nothing_again(world: World) -> None:
    """The next try finds the job by its key; the job has run once."""
    folder = world.project("orphaned", "sleep 3")
    (folder / "die").touch()
    run = world.start("one_job", folder)
    assert run.end() == "success"
    assert not (folder / "die").exists()
    (ran,) = run.ran()
    assert run.submitted() == [ran.job_id] == [run.xcom()["job_id"]]
    assert run.task()["try_number"] == 2


def a_job_cancelled_by_someone_else_fails_its_task(world: World) -> None:
    """`scancel` from a terminal: no success, and no retry against that person's will."""
    assert world.slurm is not None
    run = world.start("one_job", world.project("cancelled", "sleep 300"))
    (ran,) = run.wait_for_ran()
    run.wait_for_task("deferred")
    world.slurm.run(["scancel", ran.job_id], check=True)
    assert run.end() == "failed"
    assert run.ran() == [ran]
    assert run.submitted() == [ran.job_id]


def rows_of_a_table_become_named_jobs(world: World) -> None:
    """Mapped tasks: one job a row, each with its name in Airflow."""
    count = 4
    run = world.start("named_rows", world.project("rows", 'echo "$NUMBER" >> numbers'), {"rows": count})
    assert run.end() == "success"
    check_rows(run, count)


def check_rows(run: Run, count: int) -> None:
    """That many rows, each one job, each named."""
    assert len(run.ran()) == len({job.token for job in run.ran()}) == len(run.submitted()) == count
    tasks = [task for task in run.client.tasks(run.dag_id, run.run_id) if task["task_id"] == "job"]
    assert sorted(task["rendered_map_index"] for task in tasks) == [f"trial-{number:02}" for number in range(count)]
    jobs = {run.xcom(map_index=index)["job_id"] for index in range(count)}
    assert jobs == {job.job_id for job in run.ran()}


def a_sweep_is_one_array(world: World) -> None:
    """All trials run once, as tasks of one job, and the ranking has all of them."""
    check_sweep(world, "array_sweep", 6)


def check_sweep(world: World, dag_id: str, trials: int) -> None:
    """That many trials, each ran once with its own value, in one array."""
    folder = world.project("sweep", 'echo "$NUMBER" >> numbers', trials=trials)
    run = world.start(dag_id, folder)
    assert run.end(timeout=1200) == "success", run.log("sweep.submit")
    assert sorted(map(int, (folder / "numbers").read_text().split())) == list(range(trials))
    ran = run.ran()
    assert len(ran) == trials
    assert len({job.token for job in ran}) == len(run.submitted()) == 1
    table = run.xcom(task_id="sweep.collect")
    assert (table["trials"], table["completed"]) == (trials, trials)


def a_group_killed_while_it_waits_leaves_no_job(world: World) -> None:
    """The teardown ends the job, however early the kill came."""
    run = world.start("grouped_job", world.project("group", "sleep 300"))
    run.wait_for_task("deferred", task_id="job.watch")
    run.mark("failed", "job.watch")
    run.wait_for_task("success", task_id="job.cancel")
    assert run.end() == "failed"
    (job,) = run.submitted()
    run.wait_until_dead(job)


def an_invalid_spec_fails_at_once(world: World) -> None:
    """File and line in the log, nothing submitted, no retry."""
    folder = world.project("invalid")
    (folder / "compose.yaml").write_text("services:\n  app:\n    comand: true\n")
    run = world.start("one_job", folder)
    assert run.end() == "failed"
    assert "compose.yaml:3" in run.log()
    assert run.task()["try_number"] == 1
    assert run.submitted() == []


def a_missing_connection_fails_and_submits_nothing(world: World) -> None:
    """The log names the connection."""
    run = world.start("one_job", world.project("unconnected"), {"conn": "nowhere"})
    assert run.end() == "failed"
    assert "nowhere" in run.log()
    assert run.submitted() == []


def a_job_behind_a_login_node_succeeds(world: World) -> None:
    """The compose file travels by ssh, the job runs on the cluster, its lines and its result come back."""
    run = world.start("one_job", world.project("ssh", "sleep 2"))
    assert run.end() == "success"
    (ran,) = run.ran()
    result = run.xcom()
    assert (result["job_id"], result["verdict"]) == (ran.job_id, "ok")
    assert f"app of {ran.job_id} speaks" in run.log()


def a_login_node_that_refuses_the_key_fails_the_task(world: World) -> None:
    """Nothing runs, and the log has ssh's own words."""
    _fails_to_connect(world, SSH_WRONG_KEY, "Permission denied")


def a_login_node_with_an_unknown_key_is_not_trusted(world: World) -> None:
    """Host keys are checked, always."""
    _fails_to_connect(world, SSH_UNKNOWN_HOST, "Host key verification failed")


def a_login_node_where_nobody_listens_fails_the_task(world: World) -> None:
    """The log says so; nothing is submitted anywhere."""
    _fails_to_connect(world, SSH_NOBODY_THERE, "Connection refused")


def _fails_to_connect(world: World, connection: str, words: str) -> None:
    run = world.start("one_job", world.project("ssh-refused"), {"conn": connection})
    run.wait_for_task("failed", "up_for_retry")
    assert words in run.log()
    assert run.ran() == []


ON_BOTH: tuple[Scenario, ...] = (a_job_succeeds,)
ON_LOCAL: tuple[Scenario, ...] = (
    a_job_is_watched_by_a_worker,
    a_failing_job_is_submitted_once_per_try,
    a_task_cleared_after_success_runs_again,
    a_job_that_runs_too_long_is_cancelled,
    an_invalid_spec_fails_at_once,
    a_missing_connection_fails_and_submits_nothing,
    rows_of_a_table_become_named_jobs,
)
ON_SLURM: tuple[Scenario, ...] = (
    a_task_marked_failed_while_deferred_cancels_its_job,
    a_task_cleared_while_deferred_replaces_its_job,
    a_job_that_waits_too_long_is_cancelled,
    a_worker_killed_after_submitting_submits_nothing_again,
    a_group_killed_while_it_waits_leaves_no_job,
    a_sweep_is_one_array,
    a_job_cancelled_by_someone_else_fails_its_task,
)
ON_SSH: tuple[Scenario, ...] = (
    a_job_behind_a_login_node_succeeds,
    a_login_node_that_refuses_the_key_fails_the_task,
    a_login_node_with_an_unknown_key_is_not_trusted,
    a_login_node_where_nobody_listens_fails_the_task,
)
