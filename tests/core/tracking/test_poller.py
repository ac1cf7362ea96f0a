"""Jobs that are looked at again and again: what the scheduler is asked, and how seldom."""

from __future__ import annotations

import pytest

from compose_core.job_state import JobState
from compose_core.records.job_record import JobRecord
from compose_core.tracking.poller import ATTENDED, UNATTENDED, Pace, Poller
from tests.core.tracking.world import OTHER_TOKEN, TOKEN, Scheduler, World, row, sacct


def poller_of(world: World, *records: JobRecord, pace: Pace = ATTENDED) -> Poller:
    """A poller whose pauses are not stretched."""
    poller = Poller({"slurm": world.engine}, world.clock, pace=pace, jitter=0.0)
    poller.follow(records or [world.record])
    return poller


def pass_time(world: World, poller: Poller, seconds: float) -> None:
    """Look as often as the poller likes to."""
    end = world.clock.time + seconds
    while world.clock.time < end:
        poller.look()
        world.clock.sleep(poller.pause_s())


def test_a_quiet_job_is_asked_after_ever_more_seldom(world: World) -> None:
    """Seldom enough that two watchers together ask less than five times a minute."""
    world.engine.rows = [row("PENDING")]
    poller = poller_of(world)
    pass_time(world, poller, 120)
    calls = world.engine.counter.total
    pass_time(world, poller, 300)
    assert calls <= 12
    assert world.engine.counter.total - calls == 10


def test_an_unattended_poller_asks_once_a_minute_however_many_jobs_there_are(world: World) -> None:
    """Also while they change."""
    tokens = [f"{TOKEN[:-2]}{number:02d}" for number in range(50)]
    records = [world.add(str(number + 10), token) for number, token in enumerate(tokens)]
    poller = poller_of(world, *records, pace=UNATTENDED)
    for minute in range(10):
        state = "RUNNING" if minute % 2 else "PENDING"
        world.engine.rows = [row(state, str(number + 10), token=tokens[number]) for number in range(50)]
        assert {snapshot.state for snapshot in poller.look()} == {JobState(state)}
        world.clock.sleep(poller.pause_s())
    assert world.engine.counter.calls == {"squeue": 10}


def test_after_a_change_the_scheduler_is_asked_soon_again(world: World) -> None:
    """A job that has just left the queue shows its end a moment later."""
    world.engine.rows = [row("PENDING")]
    poller = poller_of(world)
    pass_time(world, poller, 600)
    world.engine.rows = [row("COMPLETING")]
    while poller.snapshots[0].state is not JobState.COMPLETING:
        pass_time(world, poller, 0.5)
    world.engine.rows, world.engine.accounting_rows = [], [sacct("COMPLETED")]
    calls = world.engine.counter.calls["squeue"]
    pass_time(world, poller, 2)
    assert world.engine.counter.calls["squeue"] > calls
    pass_time(world, poller, 20)
    assert poller.is_over


def test_what_a_job_says_itself_is_seen_between_two_questions(world: World) -> None:
    """Its end costs no call at all."""
    world.engine.rows = [row("RUNNING")]
    poller = poller_of(world)
    pass_time(world, poller, 300)
    calls = world.engine.counter.total
    world.write_state("COMPLETED")
    assert poller.look()[0].succeeded
    pass_time(world, poller, 300)
    assert world.engine.counter.total == calls


def test_a_last_word_that_needs_confirmation_is_confirmed_at_once(world: World) -> None:
    """A job that was told to stop may be put back into the queue: only the scheduler knows."""
    world.engine.rows = [row("RUNNING")]
    poller = poller_of(world)
    pass_time(world, poller, 300)
    world.write_state("CANCELLED")
    world.engine.rows = [row("CANCELLED")]
    pass_time(world, poller, 3)
    assert poller.is_over
    assert poller.snapshots[0].state is JobState.CANCELLED


def test_a_job_that_is_over_is_asked_after_no_more(world: World) -> None:
    """The others are."""
    other = world.add("8", OTHER_TOKEN)
    world.engine.rows = [row("FAILED"), row("RUNNING", "8", token=OTHER_TOKEN)]
    poller = poller_of(world, world.record, other)
    assert [snapshot.terminal for snapshot in poller.look()] == [True, False]
    world.engine.rows = [row("RUNNING", "8", token=OTHER_TOKEN)]
    world.engine.accounting_rows = []
    pass_time(world, poller, 600)
    assert [snapshot.state for snapshot in poller.snapshots] == [JobState.FAILED, JobState.RUNNING]
    assert poller.calls.calls["sacct"] == 1  # once, for its exit status


def test_a_silent_scheduler_ends_nothing_and_is_asked_ever_more_seldom(world: World) -> None:
    """Nothing needs to be started anew when it answers again."""
    world.engine.rows = [row("RUNNING")]
    poller = poller_of(world)
    pass_time(world, poller, 30)
    world.engine.silent = True
    calls = world.engine.counter.calls["squeue"]
    pass_time(world, poller, 600)
    assert 10 <= world.engine.counter.calls["squeue"] - calls <= 15
    assert (poller.snapshots[0].state, poller.snapshots[0].last_known_state) == (
        JobState.UNREACHABLE,
        JobState.RUNNING,
    )
    assert poller.failures >= 10
    assert poller.trouble == "Unable to contact slurm controller"
    world.engine.silent = False
    pass_time(world, poller, 61)
    assert poller.snapshots[0].state is JobState.RUNNING
    assert (poller.failures, poller.trouble) == (0, "")


def test_jobs_that_come_later_are_asked_after_at_once(world: World) -> None:
    """And those that were forgotten are not looked at any more."""
    world.engine.rows = [row("PENDING"), row("RUNNING", "8", token=OTHER_TOKEN)]
    poller = poller_of(world)
    pass_time(world, poller, 300)
    poller.follow([world.add("8", OTHER_TOKEN), world.record])
    assert [snapshot.state for snapshot in poller.look()] == [JobState.PENDING, JobState.RUNNING]
    poller.forget([world.record])
    assert [snapshot.job_id for snapshot in poller.look()] == ["8"]


def test_a_poller_without_jobs_asks_nobody(world: World) -> None:
    """And is over."""
    poller = Poller({"slurm": world.engine}, world.clock)
    assert poller.look() == []
    assert poller.is_over
    assert poller.calls.total == 0


def test_pauses_are_stretched_by_chance_and_never_shortened(world: World) -> None:
    """So that those who watch the same jobs do not all ask at once, nor together more often than one alone."""
    world.engine.rows = [row("PENDING")]
    for jitter, expected in ((0.0, 60.0), (0.2, 72.0)):
        poller = Poller({"slurm": world.engine}, world.clock, pace=UNATTENDED, jitter=jitter, chance=lambda: 1.0)
        poller.follow([world.record])
        poller.look()
        assert min(60.0, expected) <= poller.pause_s() <= expected
        world.clock.sleep(expected - 0.1)
        calls = world.engine.counter.total
        poller.look()
        assert world.engine.counter.total == calls
        world.clock.sleep(0.2)
        poller.look()
        assert world.engine.counter.total == calls + 1


@pytest.mark.parametrize(("jobs", "least_s"), [(1, 1.0), (100, 10.0)])
def test_of_many_jobs_no_change_makes_the_poller_hurry(world: World, jobs: int, least_s: float) -> None:
    """One of a hundred changes at any time."""
    tokens = [f"{TOKEN[:-3]}{number:03d}" for number in range(jobs)]
    records = [world.add(str(number + 10), token) for number, token in enumerate(tokens)]
    poller = poller_of(world, *records)
    poller.look()
    for state in ("PENDING", "RUNNING", "SUSPENDED", "RUNNING"):
        world.engine.rows = [row(state, str(number + 10), token=tokens[number]) for number in range(jobs)]
        calls = world.engine.counter.calls["squeue"]
        world.clock.sleep(least_s - 0.1)
        poller.look()
        assert world.engine.counter.calls["squeue"] == calls
        world.clock.sleep(0.2)
        poller.look()
        assert world.engine.counter.calls["squeue"] == calls + 1


def test_engines_count_their_calls_together() -> None:
    """One that two names stand for counts once."""
    one, other = Scheduler(), Scheduler(name="local")
    one.queue()
    other.queue()
    other.queue()
    assert one.counter.sum_of([one.counter, one.counter, other.counter]).calls == {"squeue": 3}


def test_jobs_that_live_by_their_own_word_cost_no_question(world: World) -> None:
    """For those who wait for ends alone; once a heartbeat stops, the scheduler is asked."""
    pace = Pace(first_s=30.0, longest_s=120.0, longest_silent_s=120.0, files_s=5.0, trusts_files=True)
    poller = Poller({"slurm": world.engine}, world.clock, pace=pace, jitter=0.0)
    poller.follow([world.record], heard_at=world.clock.monotonic())
    for _ in range(30):
        world.write_state("RUNNING")
        pass_time(world, poller, 10)
        assert poller.pause_s() >= 5.0
    assert poller.snapshots[0].state is JobState.RUNNING
    assert world.engine.counter.total == 0
    world.engine.rows = [row("NODE_FAIL")]
    pass_time(world, poller, 60)
    assert world.engine.counter.total > 0


def test_jobs_that_the_scheduler_took_a_moment_ago_wait_for_the_first_pause(world: World) -> None:
    """Each that comes later, too: nobody waits for it longer than for the first."""
    pace = Pace(first_s=30.0, longest_s=120.0, longest_silent_s=120.0, files_s=5.0)
    poller = Poller({"slurm": world.engine}, world.clock, pace=pace, jitter=0.0)
    world.engine.rows = [row("PENDING")]
    poller.follow([world.record], heard_at=world.clock.monotonic())
    pass_time(world, poller, 29)
    assert world.engine.counter.total == 0
    pass_time(world, poller, 2)
    assert world.engine.counter.total == 1
    pass_time(world, poller, 600)
    asked = world.engine.counter.calls["squeue"]
    poller.follow([world.add("8", OTHER_TOKEN)], heard_at=world.clock.monotonic())
    pass_time(world, poller, 29)
    assert world.engine.counter.calls["squeue"] == asked
    pass_time(world, poller, 6)
    assert world.engine.counter.calls["squeue"] == asked + 1
