"""The fake cluster does what a test needs: jobs that move, daemons that fail, a ledger that judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.engine import Accepted, Ambiguous, JobRow, Rows, SubmitRequest
from compose_core.cluster.job_rows import find_row
from compose_core.cluster.slurm import Slurm
from compose_core.job_state import JobId, JobState
from compose_core.records.claim import Claim
from compose_core.records.paths import ProjectPaths
from compose_core.records.token import new_token
from compose_core.testing import Ending, FakeClock, FakeCluster, accept_then_timeout
from compose_core.testing.fake_cluster import Settings

TOKEN = new_token(1_800_000_000, b"0123456789")


class World:
    """A cluster, the real engine over it, and a project folder."""

    def __init__(self, cluster: FakeCluster, folder: Path) -> None:
        self.cluster = cluster
        self.engine: Slurm = cluster.slurm()
        self.project = folder
        self.script = folder / "job.sbatch"
        self.script.write_text("#!/bin/bash\ntrue\n", encoding="utf-8")

    def submit(self, *extra_args: str, token: str = TOKEN) -> JobId:
        answer = self.engine.submit(self.request(*extra_args, token=token))
        assert isinstance(answer, Accepted), answer
        return answer.job_id

    def request(self, *extra_args: str, token: str = TOKEN) -> SubmitRequest:
        return SubmitRequest(
            token=token, script=self.script, project_dir=self.project, job_name="x", extra_args=extra_args
        )

    def queued(self, job_id: str) -> JobRow | None:
        answer = self.engine.queue()
        assert isinstance(answer, Rows), answer
        return find_row(answer.rows, JobId(job_id))

    def state(self, job_id: str) -> JobState | None:
        row = self.queued(job_id)
        return row.state if row else None

    def accounted(self, job_id: str) -> JobRow | None:
        answer = self.engine.accounting([JobId(job_id)], since_epoch_s=0)
        assert isinstance(answer, Rows), answer
        return find_row(answer.rows, JobId(job_id))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(FakeCluster(), tmp_path)


def test_a_job_waits_runs_ends_and_is_forgotten(world: World) -> None:
    world.cluster.ending = Ending(after_s=30, exit_code=17)
    job_id = world.submit()
    assert world.state(job_id) is JobState.PENDING
    world.cluster.clock.advance(2)
    assert world.state(job_id) is JobState.RUNNING
    world.cluster.clock.advance(30)
    assert world.state(job_id) is JobState.FAILED
    world.cluster.clock.advance(301)
    assert world.state(job_id) is None
    row = world.accounted(job_id)
    assert row is not None
    assert (row.state, row.exit_code) == (JobState.FAILED, 17)


def test_the_same_seed_gives_the_same_history(tmp_path: Path) -> None:
    histories = []
    for _ in range(2):
        world = World(FakeCluster(seed=7, ending=Ending(after_s=10)), tmp_path)
        for number in range(10):
            world.submit(token=new_token(number, b"0123456789"))
        world.cluster.clock.advance(60)
        world.cluster.advance()
        histories.append([(job.number, job.started_at, job.ended_at) for job in world.cluster.jobs])
    assert histories[0] == histories[1]
    other = World(FakeCluster(seed=8, ending=Ending(after_s=10)), tmp_path)
    other.submit()
    other.cluster.clock.advance(60)
    other.cluster.advance()
    assert other.cluster.jobs[0].started_at != histories[0][0][1]


def test_a_job_that_runs_into_its_limit_times_out(world: World) -> None:
    job_id = world.submit("--time=5")
    world.cluster.clock.advance(302)
    assert world.state(job_id) is JobState.TIMEOUT


def test_a_requeued_job_waits_and_runs_again_under_its_id(world: World) -> None:
    job_id = world.submit()
    world.cluster.clock.advance(5)
    before = world.queued(job_id)
    world.cluster.requeue(job_id)
    after = world.queued(job_id)
    assert before is not None
    assert after is not None
    assert (after.state, after.reason, after.token) == (JobState.PENDING, "BeginTime", TOKEN)
    assert before.submitted_at is not None
    assert after.submitted_at is not None
    assert after.submitted_at > before.submitted_at
    world.cluster.clock.advance(125)
    assert world.state(job_id) is JobState.RUNNING
    assert world.cluster.executions == {TOKEN: 1}
    assert world.cluster.job(job_id).restarts == 1


@pytest.mark.parametrize(("lever", "state"), [("preempt", JobState.PREEMPTED), ("fail_node", JobState.NODE_FAIL)])
def test_a_lost_node_requeues_or_ends_the_job(world: World, lever: str, state: JobState) -> None:
    allowed, forbidden = world.submit(), world.submit("--no-requeue", token=new_token(1, b"0123456789"))
    world.cluster.clock.advance(5)
    getattr(world.cluster, lever)(allowed)
    getattr(world.cluster, lever)(forbidden)
    assert world.state(allowed) is JobState.PENDING
    assert world.state(forbidden) is state


def test_the_accounting_lags_behind_and_names_fresh_jobs_allocation(world: World) -> None:
    job_id = world.submit()
    assert world.accounted(job_id) is None
    world.cluster.clock.advance(3)
    assert world.state(job_id) is JobState.RUNNING
    row = world.accounted(job_id)
    assert row is not None
    assert (row.state, row.name, row.token) == (JobState.PENDING, "allocation", None)
    world.cluster.clock.advance(5)
    row = world.accounted(job_id)
    assert row is not None
    assert (row.state, row.name, row.token) == (JobState.RUNNING, "job.sbatch", TOKEN)


def test_an_accounting_that_was_away_catches_up(world: World) -> None:
    world.cluster.stop_accounting()
    world.cluster.ending = Ending(after_s=5)
    job_id = world.submit()
    world.cluster.clock.advance(60)
    assert world.state(job_id) is JobState.COMPLETED
    world.cluster.start_accounting()
    assert world.accounted(job_id) is None
    world.cluster.clock.advance(4)
    row = world.accounted(job_id)
    assert row is not None
    assert row.state is JobState.COMPLETED


def test_a_controller_may_lose_jobs_and_give_their_ids_again(world: World) -> None:
    first = world.submit()
    world.cluster.crash_controller(lose_last=1)
    assert world.state(first) is None
    again = world.submit(token=new_token(1, b"0123456789"))
    assert again == first


def test_of_two_jobs_with_one_token_a_single_one_executes(world: World) -> None:
    """A frozen controller, a client that submits again: the claim keeps the work single."""
    world.cluster.fail_next("sbatch", accept_then_timeout())
    assert isinstance(world.engine.submit(world.request()), Ambiguous)
    world.submit()
    world.cluster.clock.advance(5)
    world.cluster.advance()
    assert len(world.cluster.jobs) == 2
    assert world.cluster.executions == {TOKEN: 1}
    assert len(world.cluster.twins) == 1


def test_a_frozen_controller_takes_the_job_when_it_wakes(world: World) -> None:
    world.cluster.freeze_controller(for_s=40)
    assert isinstance(world.engine.submit(world.request()), Ambiguous)
    assert world.cluster.jobs == []
    world.cluster.clock.advance(40)
    assert world.state("41") is JobState.PENDING


def test_a_short_freeze_only_delays_the_answer(world: World) -> None:
    world.cluster.freeze_controller(for_s=4)
    before = world.cluster.clock.monotonic()
    world.submit()
    assert 4 <= world.cluster.clock.monotonic() - before < 5


def test_a_clients_clock_that_jumps_does_not_move_the_cluster(world: World) -> None:
    world.cluster.ending = Ending(after_s=100)
    job_id = world.submit()
    world.cluster.clock.advance(5)
    world.cluster.clock.jump(-86400)
    assert world.state(job_id) is JobState.RUNNING
    world.cluster.clock.jump(2 * 86400)
    assert world.state(job_id) is JobState.RUNNING


def test_array_tasks_start_as_far_as_the_throttle_lets_them(world: World) -> None:
    world.cluster.ending = Ending(after_s=10)
    job_id = world.submit("--array=1-5%2")
    world.cluster.clock.advance(2)
    states = [world.state(f"{job_id}_{task}") for task in range(1, 6)]
    assert states == [JobState.RUNNING] * 2 + [JobState.PENDING] * 3
    world.cluster.clock.advance(100)
    assert [world.state(f"{job_id}_{task}") for task in range(1, 6)] == [JobState.COMPLETED] * 5
    assert sum(world.cluster.executions.values()) == 5


def test_the_claim_is_written_where_the_real_job_writes_it(world: World) -> None:
    paths = ProjectPaths(world.project).submission(TOKEN)
    paths.folder.path.mkdir(parents=True)
    job_id = world.submit()
    world.cluster.clock.advance(5)
    world.cluster.advance()
    claim = Claim.read(paths.claim)
    assert claim is not None
    assert (claim.job_id, claim.token) == (job_id, TOKEN)


def test_a_job_cancelled_before_its_start_executes_nothing(world: World) -> None:
    paths = ProjectPaths(world.project).submission(TOKEN)
    paths.folder.path.mkdir(parents=True)
    paths.cancel_requested.path.touch()
    job_id = world.submit()
    world.cluster.clock.advance(5)
    assert world.state(job_id) is JobState.FAILED
    assert world.cluster.executions == {}


def test_hooks_tell_of_starts_and_ends(world: World) -> None:
    told: list[str] = []
    world.cluster.on_start = lambda job: told.append(f"start {job.shown_id}")
    world.cluster.on_end = lambda job: told.append(f"end {job.shown_id} {job.state}")
    world.cluster.ending = Ending(after_s=5)
    job_id = world.submit()
    world.cluster.clock.advance(60)
    world.cluster.advance()
    assert told == [f"start {job_id}", f"end {job_id} COMPLETED"]


def test_jobs_may_be_started_by_the_test_alone(tmp_path: Path) -> None:
    world = World(FakeCluster(auto_start=False), tmp_path)
    job_id = world.submit()
    world.cluster.clock.advance(3600)
    assert world.state(job_id) is JobState.PENDING
    world.cluster.start(job_id)
    assert world.state(job_id) is JobState.RUNNING
    world.cluster.show_as(job_id, "COMPLETING")
    assert world.state(job_id) is JobState.COMPLETING


def test_a_limit_per_user_refuses_the_next_job(tmp_path: Path) -> None:
    world = World(FakeCluster(settings=Settings(max_submit_jobs=1)), tmp_path)
    world.submit()
    assert not isinstance(world.engine.submit(world.request()), Accepted)
    world.cluster.finish("41")
    world.submit()


def test_a_cluster_shares_its_clock_with_its_site(tmp_path: Path) -> None:
    clock = FakeClock(1_900_000_000)
    site = FakeCluster(clock).site(tmp_path)
    assert site.clock is clock
    assert site.engine.name == "slurm"
    assert site.state_dir.is_relative_to(tmp_path)


def test_the_clock_moves_only_when_told(tmp_path: Path) -> None:
    clock = FakeClock(100.0)
    before = clock.monotonic()
    clock.sleep(5)
    clock.advance(2)
    clock.jump(-50)
    assert (clock.now(), clock.monotonic() - before, clock.slept_s) == (57.0, 7.0, 5.0)
