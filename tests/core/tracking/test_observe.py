"""Many jobs at once: files first, then as few calls as can be."""

from __future__ import annotations

import pytest

from compose_core.job_state import JobState
from compose_core.records.paths import JobPaths, earlier_name
from compose_core.testing import FakeClock
from compose_core.tracking.observe import Watch, observe, observe_one
from tests.core.tracking.world import NOW, OTHER_TOKEN, TOKEN, Scheduler, World, row, sacct


def test_one_queue_call_serves_all_jobs(world: World) -> None:
    """And one accounting call those that left the queue."""
    tokens = [f"{TOKEN[:-2]}{number:02d}" for number in range(20)]
    records = [world.add(str(number + 10), token) for number, token in enumerate(tokens)]
    world.engine.rows = [row("RUNNING", str(number + 10), token=tokens[number]) for number in range(10)]
    world.engine.accounting_rows = [
        row("FAILED", str(number + 10), source="sacct", token=tokens[number]) for number in range(10, 20)
    ]
    snapshots = observe(records, world.engine, world.clock)
    assert [snapshot.state for snapshot in snapshots] == [JobState.RUNNING] * 10 + [JobState.FAILED] * 10
    assert world.engine.counter.calls == {"squeue": 1, "sacct": 1}
    ids, since = world.engine.asked[0]
    assert set(ids) == {str(number + 10) for number in range(10, 20)}
    assert since == NOW - 600 - 3600


def test_a_job_that_told_its_end_costs_no_call(world: World) -> None:
    """Its own word is enough."""
    world.write_state("COMPLETED")
    assert observe_one(world.record, world.engine, world.clock).succeeded
    assert world.engine.counter.total == 0


def test_no_jobs_cost_no_call(world: World) -> None:
    """Nor do jobs of another engine, which are judged by their files."""
    assert observe([], world.engine, world.clock) == []
    local = world.add("8", OTHER_TOKEN, backend="local")
    assert observe_one(local, world.engine, world.clock).state is JobState.UNREACHABLE
    assert world.engine.counter.total == 0


def test_jobs_of_two_engines_are_each_asked_for_at_their_own(world: World) -> None:
    """One call per engine."""
    local_engine = Scheduler(name="local", rows=[row("RUNNING", "8", source="local", token=OTHER_TOKEN)])
    world.engine.rows = [row("PENDING")]
    local = world.add("8", OTHER_TOKEN, backend="local")
    snapshots = observe([world.record, local], {"slurm": world.engine, "local": local_engine}, world.clock)
    assert [snapshot.state for snapshot in snapshots] == [JobState.PENDING, JobState.RUNNING]
    assert (world.engine.counter.total, local_engine.counter.total) == (1, 1)


def test_the_accounting_is_not_asked_for_a_job_whose_supervisor_lives(world: World) -> None:
    """Or whose end marker tells enough."""
    world.write_state()
    observe_one(world.record, world.engine, world.clock)
    world.write_state(heartbeat_at=NOW - 100)
    world.write_end("completed")
    assert observe_one(world.record, world.engine, world.clock).succeeded
    assert world.engine.counter.calls == {"squeue": 2}


def test_a_lost_job_is_lost_after_a_minute_also_across_commands(world: World) -> None:
    """Each command has a memory of its own; what they share lies beside the record."""
    assert observe_one(world.record, world.engine, world.clock).state is JobState.UNKNOWN
    world.clock.sleep(61)
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert (snapshot.state, snapshot.terminal) == (JobState.LOST, True)


def test_a_job_that_shows_up_again_was_not_absent(world: World) -> None:
    """The absence starts anew."""
    for _ in range(3):
        world.engine.rows = []
        assert observe_one(world.record, world.engine, world.clock).state is JobState.UNKNOWN
        world.clock.sleep(50)
        world.engine.rows = [row("RUNNING")]
        assert observe_one(world.record, world.engine, world.clock).state is JobState.RUNNING
        world.clock.sleep(50)


def test_silence_does_not_count_as_absence(world: World) -> None:
    """Two good answers are needed."""
    observe_one(world.record, world.engine, world.clock)
    world.engine.silent = True
    for _ in range(5):
        world.clock.sleep(100)
        assert observe_one(world.record, world.engine, world.clock).state is JobState.UNREACHABLE


def test_the_last_state_is_remembered_while_the_scheduler_is_silent(world: World) -> None:
    """By the watch that saw it."""
    watch = Watch()
    world.engine.rows = [row("PENDING")]
    observe_one(world.record, world.engine, world.clock, watch=watch)
    world.engine.silent = True
    snapshot = observe_one(world.record, world.engine, world.clock, watch=watch)
    assert (snapshot.state, snapshot.last_known_state) == (JobState.UNREACHABLE, JobState.PENDING)


def test_a_moving_heartbeat_counts_although_the_clocks_differ(world: World) -> None:
    """The watch sees it move by its own clock."""
    watch = Watch()
    world.engine.silent = True
    world.write_state(heartbeat_at=NOW - 7200)
    assert observe_one(world.record, world.engine, world.clock, watch=watch).state is JobState.UNREACHABLE
    world.clock.sleep(10)
    world.write_state(heartbeat_at=NOW - 7190)
    assert observe_one(world.record, world.engine, world.clock, watch=watch).state is JobState.RUNNING


def test_the_files_of_a_later_job_with_the_same_id_are_not_ours(world: World) -> None:
    """And ours are found where the later job's supervisor put them."""
    world.write_state("COMPLETED", submission_token=OTHER_TOKEN)
    assert observe_one(world.record, world.engine, world.clock).state is JobState.UNKNOWN
    kept = JobPaths(world.paths.job_dir.parent / earlier_name("7", TOKEN))
    world.write_state("FAILED", paths=kept)
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert (snapshot.state, snapshot.services[0].log_path) == (JobState.FAILED, str(kept.log("web")))


def test_an_end_marker_of_an_earlier_attempt_is_not_the_end(world: World) -> None:
    """The job was put back into the queue and runs again."""
    world.write_end("signal", at=NOW - 1000)
    world.write_state()
    world.engine.silent = True
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert (snapshot.state, snapshot.cause, snapshot.terminal) == (JobState.RUNNING, None, False)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 99}', "\0" * 100, '{"job_status": "DONE"}'])
def test_a_spoiled_state_file_leaves_the_schedulers_word(world: World, content: str) -> None:
    """With a warning; a container may write there."""
    world.paths.folder.path.mkdir(parents=True)
    world.paths.state.path.write_text(content)
    world.paths.end.path.mkdir()
    world.engine.rows = [row("RUNNING")]
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert snapshot.state is JobState.RUNNING
    assert len(snapshot.warnings) == 2


def test_a_project_that_cannot_be_written_can_be_observed(world: World) -> None:
    """Only the memory for the next command is lost."""
    world.project.submission(TOKEN).vanished.path.mkdir()
    assert observe_one(world.record, world.engine, world.clock).state is JobState.UNKNOWN


def test_an_end_that_was_seen_once_stays(world: World) -> None:
    """The queue forgets ended jobs and the site keeps no accounting: the next command asks nobody."""
    world.engine.rows = [row("FAILED", exit_code=3, ended_at=NOW - 1, reason="NonZeroExitCode")]
    first = observe_one(world.record, world.engine, world.clock)
    world.engine.rows = []
    world.clock.sleep(1000)
    calls = world.engine.counter.total
    second = observe_one(world.record, world.engine, world.clock)
    assert world.engine.counter.total == calls
    assert {**second.as_json(), "observed_at": 0} == {**first.as_json(), "observed_at": 0}


def test_a_job_that_was_started_again_after_its_end_is_looked_at_anew(world: World) -> None:
    """An operator put it back into the queue."""
    world.engine.rows = [row("FAILED", ended_at=NOW - 1)]
    assert observe_one(world.record, world.engine, world.clock).terminal
    world.clock.sleep(100)
    world.write_state(started_at=NOW + 90)
    world.engine.rows = [row("RUNNING")]
    assert observe_one(world.record, world.engine, world.clock).state is JobState.RUNNING


def test_a_removed_submission_is_not_made_again(world: World) -> None:
    """Looking at a job leaves nothing where the user cleaned up."""
    world.project.submission(TOKEN).folder.path.rmdir()
    world.engine.rows = [row("FAILED")]
    assert observe_one(world.record, world.engine, world.clock).terminal
    assert not world.project.submission(TOKEN).folder.path.exists()


def test_an_accounting_row_of_another_job_is_not_ours(world: World) -> None:
    """An old row with the same id says COMPLETED."""
    world.engine.accounting_rows = [sacct("COMPLETED", token=OTHER_TOKEN)]
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert snapshot.state is JobState.UNKNOWN


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_set_is_no_time_that_passes(world: World, jump: float) -> None:
    """Within one process absence is measured by a clock that cannot be set."""
    clock, watch = FakeClock(NOW), Watch()
    observe_one(world.record, world.engine, clock, watch=watch)
    clock.sleep(5)
    clock.jump(jump)
    assert observe_one(world.record, world.engine, clock, watch=watch).state is JobState.UNKNOWN
    clock.sleep(60)
    assert (observe_one(world.record, world.engine, clock, watch=watch).state is JobState.LOST) is (jump > 0)


def test_an_end_that_was_seen_stays_where_the_clock_of_the_node_is_ahead(world: World) -> None:
    """By the node's clock the job seems to have started after the controller saw it end."""
    world.write_state("RUNNING", attempt=0, started_at=NOW + 30, heartbeat_at=NOW - 3600)
    world.engine.rows = [row("OUT_OF_MEMORY", started_at=NOW - 20, ended_at=NOW - 10)]
    assert observe([world.record], world.engine, world.clock)[0].terminal
    world.engine.rows = []
    world.clock.sleep(3600)
    assert observe([world.record], world.engine, world.clock)[0].state is JobState.OUT_OF_MEMORY
    world.write_state("RUNNING", attempt=1, started_at=world.clock.now() - 5)
    assert not observe([world.record], world.engine, world.clock)[0].terminal


def test_a_job_that_went_to_another_cluster_is_asked_after_there(world: World) -> None:
    """The own cluster does not know it, which would be no evidence of anything."""
    east = Scheduler(rows=[row("PENDING", "8", token=OTHER_TOKEN)])
    world.engine.rows = [row("RUNNING")]
    away = world.add("8", OTHER_TOKEN, cluster="east")
    snapshots = observe([world.record, away], {"slurm": world.engine, "slurm@east": east}, world.clock)
    assert [snapshot.state for snapshot in snapshots] == [JobState.RUNNING, JobState.PENDING]
    assert (world.engine.counter.total, east.counter.total) == (1, 1)
    assert observe_one(away, {"slurm": world.engine}, world.clock).state is JobState.UNREACHABLE
    assert observe_one(away, east, world.clock).state is JobState.PENDING
