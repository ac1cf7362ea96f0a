"""An array followed as one job: few questions, each task judged for itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.array_tasks import array_tasks
from compose_core.errors import NoSuchJob, SchedulerRefused
from compose_core.job_state import JobState
from compose_core.operations import submit_context
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import JobPaths
from compose_core.submission.submit import Submission, submit_plan
from compose_core.testing import FakeCluster, accept_then_timeout
from compose_core.tracking.cancel import cancel_job
from compose_core.tracking.find_job import find_job
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.log_source import service_logs
from compose_core.tracking.observe import Watch, observe, observe_one
from compose_core.tracking.task_records import task_record, task_records
from tests.core.submission.world import World


class Bench:
    """A project on a fake cluster, from which arrays are submitted."""

    def __init__(self, folder: Path) -> None:
        self.cluster = FakeCluster(auto_start=False)
        self.world = World(folder, clock=self.cluster.clock)

    def submit(self, array: str = "0-9%4", **plan: object) -> Submission:
        context = submit_context(self.cluster.site(self.world.root), self.world.project.project_dir)
        script = f"#!/bin/bash\n#SBATCH --array={array}\ntrue\n"
        fields = {"array": array, "batch_log": "slurm-%A_%a.out", **plan}
        return submit_plan(context, self.world.plan(**fields), script)

    def calls(self) -> list[str]:
        """The programs since the last look."""
        found = list(self.cluster.programs_run)
        self.cluster.programs_run.clear()
        return found

    def states(self, record: JobRecord, watch: Watch | None = None) -> dict[int | None, JobState]:
        snapshot = observe_one(record, self.cluster.slurm(), self.cluster.clock, watch=watch)
        return {task.record.array_task_id: task.state for task in snapshot.tasks}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_one_record_stands_for_all_tasks(bench: Bench) -> None:
    """It says how the tasks' folders and logs are named."""
    record = bench.submit().record
    assert [item.job_id for item in tracked_jobs(bench.world.project).records] == [record.job_id]
    assert record.array is not None
    assert record.array.tasks == tuple(range(10))
    task = task_record(record, 7)
    folder = bench.world.project.project_dir
    assert (task.job_id, task.array_job_id, task.array_task_id) == (f"{record.job_id}_7", record.job_id, 7)
    assert task.job_dir == str(folder / ".hpc-compose" / f"{record.job_id}_7")
    assert task.batch_log == str(folder / f"slurm-{record.job_id}_7.out")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("logs/%x-%A.%a.log", "logs/hello-{array}.7.log"),
        ("%4a-%u", "0007-ada"),
        ("100%%-%a", "100%-7"),
        ("log-%j", "log-%j"),
    ],
)
def test_the_batch_log_of_a_task_is_filled_in_as_far_as_it_is_known(bench: Bench, pattern: str, path: str) -> None:
    """`%j` of a task is a number that only Slurm knows."""
    record = bench.submit(batch_log=pattern).record
    expected = bench.world.project.project_dir / path.format(array=record.job_id)
    assert task_record(record, 7).batch_log == str(expected)


def test_a_task_is_found_by_its_id_and_a_stranger_is_not(bench: Bench) -> None:
    """As if it had been submitted alone."""
    record = bench.submit("1,3,5-9:2").record
    assert find_job(bench.world.project, f"{record.job_id}_7").array_task_id == 7
    for job_id in (f"{record.job_id}_2", "999_1"):
        with pytest.raises(NoSuchJob):
            find_job(bench.world.project, job_id)


def test_one_queue_call_tells_how_all_tasks_are(bench: Bench) -> None:
    """Also those that wait together in one row."""
    record = bench.submit().record
    for task in (0, 1, 2):
        bench.cluster.start(f"{record.job_id}_{task}")
    bench.cluster.finish(f"{record.job_id}_1", state="TIMEOUT")
    bench.calls()
    states = bench.states(record)
    assert bench.calls() == ["squeue"]
    assert states == {
        0: JobState.RUNNING,
        1: JobState.TIMEOUT,
        2: JobState.RUNNING,
        **dict.fromkeys(range(3, 10), JobState.PENDING),
    }


def test_tasks_that_the_queue_forgot_cost_one_accounting_call_by_the_arrays_id(bench: Bench) -> None:
    """Not one id for each of a thousand tasks."""
    record = bench.submit("0-249").record
    for task in range(250):
        bench.cluster.start(f"{record.job_id}_{task}")
        state = "FAILED" if task == 200 else "COMPLETED"
        bench.cluster.finish(f"{record.job_id}_{task}", state=state, forgotten_by_squeue=True)
    bench.cluster.clock.sleep(10)
    bench.calls()
    bench.cluster.calls.clear()
    snapshot = observe_one(record, bench.cluster.slurm(), bench.cluster.clock)
    assert bench.calls() == ["squeue", "sacct"]
    assert [word for word in bench.cluster.calls[-1] if word.startswith("--jobs")] == [f"--jobs={record.job_id}"]
    assert (snapshot.state, snapshot.terminal) == (JobState.FAILED, True), snapshot.task_counts
    assert snapshot.task_counts == {"COMPLETED": 249, "FAILED": 1}


def test_what_the_scheduler_said_of_a_task_is_kept_for_that_task_alone(bench: Bench) -> None:
    """All tasks share one token; what is remembered of one must not speak for another."""
    record = bench.submit("0-2%3").record
    for task in (0, 1):
        bench.cluster.start(f"{record.job_id}_{task}")
    bench.cluster.finish(f"{record.job_id}_0", state="FAILED", exit_code=9)
    expected = {0: JobState.FAILED, 1: JobState.RUNNING, 2: JobState.PENDING}
    watch = Watch()
    for _ in range(3):
        assert bench.states(record, watch) == expected
        assert bench.states(record) == expected
    bench.cluster.forget(f"{record.job_id}_0")
    assert bench.states(record) == expected


def test_the_array_is_over_when_its_last_task_is(bench: Bench) -> None:
    """COMPLETED only if every task is."""
    record = bench.submit("0-1").record
    engine, clock = bench.cluster.slurm(), bench.cluster.clock
    assert observe_one(record, engine, clock).state is JobState.PENDING
    bench.cluster.start(f"{record.job_id}_0")
    bench.cluster.finish(f"{record.job_id}_0")
    half = observe_one(record, engine, clock)
    assert (half.state, half.terminal, half.exit_code) == (JobState.RUNNING, False, None)
    bench.cluster.start(f"{record.job_id}_1")
    bench.cluster.finish(f"{record.job_id}_1")
    whole = observe_one(record, engine, clock)
    assert (whole.state, whole.succeeded, whole.exit_code) == (JobState.COMPLETED, True, 0)


def test_arrays_and_jobs_are_looked_at_together(bench: Bench) -> None:
    """In the order of their records."""
    records = [bench.submit("0-3").record, bench.submit("5,7").record]
    bench.calls()
    snapshots = observe(records, bench.cluster.slurm(), bench.cluster.clock)
    assert bench.calls() == ["squeue"]
    assert [len(snapshot.tasks) for snapshot in snapshots] == [4, 2]


def test_cancelling_an_array_ends_every_task_of_it(bench: Bench) -> None:
    """Also when no row of the queue carries the array's own id any more."""
    record = bench.submit("0-2").record
    for task in range(3):
        bench.cluster.start(f"{record.job_id}_{task}")
    result = cancel_job(record, bench.cluster.slurm(), bench.cluster.clock)
    assert result.requested
    assert result.confirmed
    assert bench.states(record) == dict.fromkeys(range(3), JobState.CANCELLED)


def test_cancelling_one_task_leaves_its_siblings_alone(bench: Bench) -> None:
    """Be it one that still waits in a shared row."""
    record = bench.submit("0-2").record
    bench.cluster.start(f"{record.job_id}_0")
    task = task_record(record, 2)
    assert cancel_job(task, bench.cluster.slurm(), bench.cluster.clock).confirmed
    assert bench.states(record) == {0: JobState.RUNNING, 1: JobState.PENDING, 2: JobState.CANCELLED}


def test_the_answer_of_sbatch_may_be_lost_and_every_task_runs_once(bench: Bench) -> None:
    """The array is found by its token, and gets the claim."""
    bench.cluster.fail_next("sbatch", accept_then_timeout())
    record = bench.submit("0-3").record
    for task in range(4):
        bench.cluster.start(f"{record.job_id}_{task}")
    assert sorted(bench.cluster.executions.values()) == [1, 1, 1, 1]
    assert bench.states(record) == dict.fromkeys(range(4), JobState.RUNNING)


def test_an_array_that_is_too_large_for_the_site_is_refused_with_its_words(bench: Bench) -> None:
    """And what to do."""
    with pytest.raises(SchedulerRefused) as caught:
        bench.submit("0-5000")
    assert "Invalid job array specification" in caught.value.message
    assert "MaxArraySize" in caught.value.remedy


def test_logs_of_an_array_are_those_of_its_tasks(bench: Bench) -> None:
    """Named by task and service."""
    record = bench.submit("0-1").record.model_copy(update={"services": ("app", "db")})
    assert [source.name for source in service_logs(record)] == ["0/app", "0/db", "1/app", "1/db"]
    assert [source.name for source in service_logs(record, ["db"])] == ["0/db", "1/db"]


def test_every_record_of_a_task_is_one_that_could_have_been_written(bench: Bench) -> None:
    """Readers cannot tell it from that of a job."""
    record = bench.submit("0-3:3").record
    for task in task_records(record):
        assert JobRecord.model_validate(task.as_json()) == task
    assert [task.array_task_id for task in task_records(record)] == list(array_tasks("0-3:3"))


def test_a_log_that_is_named_by_slurms_own_number_is_known_once_the_task_has_told_it(bench: Bench) -> None:
    """Nothing outside of the task says which number `%j` is."""
    record = bench.submit("0-1", batch_log="logs/%x-%j.out").record
    task = JobPaths(Path(task_record(record, 1).job_dir))
    task.job_dir.mkdir(parents=True)
    state = {"schema_version": 1, "job_id": f"{record.job_id}_1", "slurm_job_id": "812", "job_status": "COMPLETED"}
    task.state.path.write_text(json.dumps({**state, "job_exit_code": 0, "submission_token": record.submission_token}))
    snapshot = observe_one(record, bench.cluster.slurm(), bench.cluster.clock)
    logs = [Path(one.record.batch_log).name for one in snapshot.tasks]
    assert logs == ["hello-%j.out", "hello-812.out"]
