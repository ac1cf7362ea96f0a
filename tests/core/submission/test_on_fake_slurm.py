"""Submission through the text of the real tools: a fake Slurm with faults, and its ledger of what really ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.errors import SchedulerRefused, SchedulerUnreachable, SubmissionUnresolved
from compose_core.operations import submit_context
from compose_core.submission.context import SubmitContext
from compose_core.submission.current_job import current_job
from compose_core.submission.resolve import resolve_pending
from compose_core.submission.submit import Submission, submit_plan
from compose_core.testing import (
    FakeCluster,
    Fault,
    accept_then_timeout,
    garbage,
    hang,
    rc,
    stderr_notice,
    timeout_no_accept,
)
from compose_core.tracking.cancel import cancel_job
from compose_core.tracking.observe import observe_one
from tests.core.submission.world import SCRIPT, World


class Bench:
    """A project on a fake cluster."""

    def __init__(self, folder: Path, cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster()
        self.world = World(folder, clock=self.cluster.clock)

    @property
    def context(self) -> SubmitContext:
        return submit_context(self.cluster.site(self.world.root), self.world.project.project_dir)

    def up(self, run_key: str | None = None) -> Submission:
        return submit_plan(self.context, self.world.plan(), SCRIPT, run_key=run_key)

    def let_run(self, seconds: float = 60) -> None:
        self.cluster.clock.sleep(seconds)
        self.cluster.advance()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        accept_then_timeout(),
        timeout_no_accept(),
        hang(),
        hang(accepted=True),
        garbage(),
        garbage(""),
        garbage("Welcome!\n41 jobs ahead of you\n"),
        stderr_notice(),
        Fault(signal=9),
        Fault(signal=9, does_the_work=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("accounting", ["up", "disabled"])
def test_whatever_sbatch_does_one_job_runs(tmp_path: Path, fault: Fault, accounting: str) -> None:
    """And it is the one on record."""
    bench = Bench(tmp_path, FakeCluster(accounting="up" if accounting == "up" else "disabled"))
    bench.cluster.fail_next("sbatch", fault)
    submission = bench.up()
    bench.let_run()
    assert bench.cluster.executions == {submission.token: 1}
    snapshot = observe_one(submission.record, bench.context.engine, bench.cluster.clock)
    assert snapshot.state == "RUNNING"


@pytest.mark.parametrize("frozen_s", [5.0, 15.0, 45.0, 100.0])
def test_a_controller_frozen_during_submission_runs_one_job(bench: Bench, frozen_s: float) -> None:
    """It does what it heard once it wakes."""
    bench.cluster.freeze_controller(frozen_s)
    submission = bench.up()
    bench.let_run(200)
    assert bench.cluster.executions == {submission.token: 1}
    assert [record.job_id for record in bench.world.records()] == [submission.job_id]


def test_a_controller_frozen_for_long_is_resolved_by_the_next_command(bench: Bench) -> None:
    """The job starts before anybody asks."""
    bench.cluster.freeze_controller()
    with pytest.raises(SubmissionUnresolved):
        bench.up(run_key="k")
    bench.cluster.start_controller()
    bench.let_run()
    submission = bench.up(run_key="k")
    assert submission.attached
    bench.let_run()
    assert bench.cluster.executions == {submission.token: 1}


def test_a_controller_that_is_down_takes_nothing(bench: Bench) -> None:
    """The intent is kept; with its run key the job is submitted later, once."""
    bench.cluster.stop_controller()
    with pytest.raises(SchedulerUnreachable):
        bench.up(run_key="k")
    bench.cluster.start_controller()
    submission = bench.up(run_key="k")
    bench.let_run()
    assert bench.cluster.executions == {submission.token: 1}


def test_a_job_that_the_controller_forgot_and_whose_id_came_again_is_told_apart(bench: Bench) -> None:
    """It was acknowledged, then lost in a crash; the next job has its id."""
    bench.cluster.auto_start = False
    first = bench.up()
    bench.cluster.crash_controller(lose_last=1)
    second = bench.up()
    assert first.job_id == second.job_id
    records = {record.submission_token: record for record in bench.world.records()}
    engine, clock = bench.context.engine, bench.cluster.clock
    assert observe_one(records[second.token], engine, clock).state == "PENDING"
    assert not observe_one(records[first.token], engine, clock).terminal
    bench.let_run(180)
    assert observe_one(records[first.token], engine, clock).state == "LOST"
    assert not cancel_job(records[first.token], engine, clock, wait_s=0).requested
    assert observe_one(records[second.token], engine, clock).state == "PENDING"


def test_a_refusal_says_what_slurm_said(bench: Bench) -> None:
    """Nothing is left open."""
    bench.cluster.fail_next(
        "sbatch", rc(1, "sbatch: error: Batch job submission failed: Invalid account or account/partition combination")
    )
    with pytest.raises(SchedulerRefused, match="Invalid account"):
        bench.up()
    assert resolve_pending(bench.context) == ()


def test_the_newest_job_is_meant_after_a_lost_answer(bench: Bench) -> None:
    """By the next command, whichever it is."""
    bench.cluster.fail_next("sbatch", accept_then_timeout())
    token = bench.up().token
    assert current_job(bench.context)[0].submission_token == token


def test_the_scheduler_is_called_sparingly(bench: Bench) -> None:
    """One program for a submission that goes well."""
    bench.up()
    assert bench.cluster.programs_run == ["sbatch"]
