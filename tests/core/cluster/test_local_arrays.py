"""Arrays of the local engine, with real processes: tasks side by side, each with its own state and end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose_core.cluster.engine import Accepted, JobRow, Rows
from compose_core.cluster.local_monitor import kill_strays
from compose_core.job_state import JobId, JobState
from tests.core.cluster.test_local import World, is_gone, wait_until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for used in world.tokens:
        kill_strays(used)


def states(world: World, array: JobId) -> dict[int, JobState]:
    """Each task's state, those that share a row included."""
    found = {}
    for task in range(10):
        row = task_row(world, array, task)
        if row is not None:
            found[task] = row.state
    return found


def task_row(world: World, array: JobId, task: int) -> JobRow | None:
    from compose_core.cluster.job_rows import find_row

    answer = world.engine.queue()
    assert isinstance(answer, Rows)
    return find_row(answer.rows, JobId(f"{array}_{task}"))


def task_pid(world: World, array: JobId, task: int) -> int:
    path = world.state / "local" / array / "tasks" / str(task) / "started.json"
    return int(json.loads(path.read_bytes())["pid"])


def test_every_task_runs_once_with_its_own_number_log_and_end(world: World) -> None:
    """The variables are those that Slurm sets."""
    array = world.submit(
        "#SBATCH --array=1,3,5-6%2 --output=log-%A-%a-%j\n"
        'echo "$SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_ARRAY_TASK_COUNT $SLURM_JOB_ID"\n'
        "exit $((SLURM_ARRAY_TASK_ID == 3))"
    ).job_id
    over = {1: JobState.COMPLETED, 3: JobState.FAILED, 5: JobState.COMPLETED, 6: JobState.COMPLETED}
    wait_until(lambda: states(world, array) == over, "all tasks to end")
    for task in over:
        log = world.project / f"log-{array}-{task}-{array}_{task}"
        assert log.read_text(encoding="utf-8") == f"{array} {task} 4 {array}_{task}\n"
    row = task_row(world, array, 3)
    assert row is not None
    assert (row.exit_code, row.array_job_id, row.array_task) == (1, array, "3")


def test_no_more_tasks_run_at_once_than_the_array_allows(world: World) -> None:
    """`%2`: the others wait in one row that they share, as squeue shows them."""
    array = world.submit("#SBATCH --array=0-4%2\nuntil [[ -e go ]]; do sleep 0.05; done").job_id
    wait_until(lambda: list(states(world, array).values()).count(JobState.RUNNING) == 2, "two tasks to run")
    assert states(world, array) == dict.fromkeys(range(2), JobState.RUNNING) | dict.fromkeys(
        range(2, 5), JobState.PENDING
    )
    answer = world.engine.accounting([array], since_epoch_s=0)
    assert isinstance(answer, Rows)
    assert [(row.job_id, row.array_task) for row in answer.rows][-1] == (array, "2-4")
    (world.project / "go").touch()
    wait_until(lambda: set(states(world, array).values()) == {JobState.COMPLETED}, "all tasks to end")


def test_a_waiting_task_can_be_cancelled_and_never_runs(world: World) -> None:
    """The others do not notice."""
    array = world.submit(
        "#SBATCH --array=0-2%1\ntouch ran-$SLURM_ARRAY_TASK_ID; until [[ -e go ]]; do sleep 0.05; done"
    )
    array_id = array.job_id
    wait_until((world.project / "ran-0").exists, "task 0 to run")
    assert world.engine.cancel(JobId(f"{array_id}_1"), token=world.tokens[0]).requested
    assert states(world, array_id)[1] is JobState.CANCELLED
    (world.project / "go").touch()
    over = {0: JobState.COMPLETED, 1: JobState.CANCELLED, 2: JobState.COMPLETED}
    wait_until(lambda: states(world, array_id) == over, "the others to end")
    assert not (world.project / "ran-1").exists()


@pytest.mark.parametrize("force", [False, True])
def test_cancelling_the_array_ends_running_tasks_and_starts_no_other(world: World, force: bool) -> None:
    """Nothing of it is left, gently or by force."""
    array = world.submit("#SBATCH --array=0-5%2\ntouch ran-$SLURM_ARRAY_TASK_ID; exec sleep 300").job_id
    wait_until((world.project / "ran-1").exists, "two tasks to run")
    pids = [task_pid(world, array, task) for task in (0, 1)]
    assert world.engine.cancel(array, token=world.tokens[0], force=force).requested
    wait_until(lambda: set(states(world, array).values()) == {JobState.CANCELLED}, "all to be cancelled")
    wait_until(lambda: all(map(is_gone, pids)), "the processes to go")
    assert sorted(path.name for path in world.project.glob("ran-*")) == ["ran-0", "ran-1"]


def test_what_one_task_leaves_behind_is_killed_and_its_siblings_go_on(world: World) -> None:
    """Strays are told apart by the number of their task."""
    array = world.submit(
        "#SBATCH --array=0-1%2\n"
        "setsid sleep 300 & echo $! > stray-$SLURM_ARRAY_TASK_ID\n"
        "[[ $SLURM_ARRAY_TASK_ID == 0 ]] || until [[ -e go ]]; do sleep 0.05; done"
    ).job_id
    wait_until(lambda: states(world, array).get(0) is JobState.COMPLETED, "task 0 to end")
    strays = [int((world.project / f"stray-{task}").read_text(encoding="utf-8")) for task in (0, 1)]
    assert [is_gone(pid) for pid in strays] == [True, False]
    assert states(world, array)[1] is JobState.RUNNING
    (world.project / "go").touch()
    wait_until(lambda: states(world, array).get(1) is JobState.COMPLETED, "task 1 to end")


def test_when_the_process_that_starts_tasks_dies_the_waiting_ones_have_failed(world: World) -> None:
    """The running one goes on: its end is told by its own files."""
    array = world.submit("#SBATCH --array=0-2%1\nexec sleep 300").job_id
    wait_until(lambda: states(world, array).get(0) is JobState.RUNNING, "task 0 to run")
    os.kill(world.pid(array), signal.SIGKILL)
    wait_until(lambda: states(world, array).get(1) is JobState.NODE_FAIL, "the others to be given up")
    assert states(world, array)[0] is JobState.RUNNING
    os.kill(task_pid(world, array, 0), signal.SIGKILL)


def test_the_same_token_gives_the_same_array_and_runs_no_task_twice(world: World) -> None:
    """A second client starts nothing."""
    request = world.request("#SBATCH --array=0-1\necho ran >> runs-$SLURM_ARRAY_TASK_ID")
    first, second = world.engine.submit(request), world.another().submit(request)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.job_id == second.job_id
    wait_until(lambda: set(states(world, first.job_id).values()) == {JobState.COMPLETED}, "all tasks to end")
    assert [(world.project / f"runs-{task}").read_text(encoding="utf-8") for task in (0, 1)] == ["ran\n", "ran\n"]
