"""The exit status of jobs that failed before their supervisor could tell it."""

from __future__ import annotations

from compose_core.job_state import JobState
from compose_core.tracking.exit_codes import MOST_SINGLE_QUESTIONS
from compose_core.tracking.observe import observe, observe_one
from tests.core.tracking.world import NOW, World, row, sacct


def test_the_accounting_tells_it(world: World) -> None:
    """The queue knows that the job failed, not how; one call."""
    world.engine.rows = [row("FAILED")]
    world.engine.accounting_rows = [sacct("FAILED", exit_code=3)]
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert (snapshot.state, snapshot.exit_code, snapshot.source) == (JobState.FAILED, 3, "squeue")
    assert world.engine.counter.calls == {"squeue": 1, "sacct": 1}


def test_the_controller_is_asked_last(world: World) -> None:
    """Where no accounting is kept, as long as it remembers the job; the next command knows it from then on."""
    world.engine.rows = [row("FAILED")]
    world.engine.shown = {"7": {"JobId": "7", "ExitCode": "2:0"}}
    assert observe_one(world.record, world.engine, world.clock).exit_code == 2
    assert world.engine.counter.calls == {"squeue": 1, "sacct": 1, "scontrol": 1}
    assert observe_one(world.record, world.engine, world.clock).exit_code == 2
    assert world.engine.counter.calls["scontrol"] == 1


def test_nobody_knows_it(world: World) -> None:
    """The end stays what it is."""
    world.engine.rows = [row("FAILED")]
    snapshot = observe_one(world.record, world.engine, world.clock)
    assert (snapshot.state, snapshot.terminal, snapshot.exit_code) == (JobState.FAILED, True, None)


def test_a_job_that_told_it_itself_costs_no_call(world: World) -> None:
    world.engine.rows = [row("FAILED")]
    world.write_end("service_failed")
    observe_one(world.record, world.engine, world.clock)
    assert world.engine.counter.calls.get("scontrol") is None


def test_a_cancelled_job_costs_no_call(world: World) -> None:
    """Its status says nothing."""
    world.engine.rows = [row("CANCELLED", ended_at=NOW - 1000)]
    world.clock.sleep(1000)
    observe_one(world.record, world.engine, world.clock)
    assert world.engine.counter.calls == {"squeue": 1}


def test_of_many_jobs_a_few_are_asked_for_one_by_one(world: World) -> None:
    """A thousand tasks that all fail at once do not become a thousand calls."""
    tokens = [f"01ARYZ6S41TSV4RRFFQ69G5F{number:02d}" for number in range(30)]
    records = [world.add(str(number + 100), tokens[number]) for number in range(30)]
    world.engine.rows = [row("FAILED", str(number + 100), token=tokens[number]) for number in range(30)]
    snapshots = observe(records, world.engine, world.clock)
    assert all(snapshot.state is JobState.FAILED for snapshot in snapshots)
    assert world.engine.counter.calls == {"squeue": 1, "sacct": 1, "scontrol": MOST_SINGLE_QUESTIONS}
