"""Random lives of jobs on a fake Slurm: whatever happens, no end is told wrongly or too early."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from compose_core.cluster.engine import Engine
from compose_core.records.job_record import JobRecord
from compose_core.records.token import new_token
from compose_core.testing import FakeCluster, FakeJob
from compose_core.testing.fake_cluster import Settings
from compose_core.tracking.observe import Watch, observe
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.tracking.world import World

_SEEDS = 60
_STEPS = 40
CAUSES = {"COMPLETED": "completed", "FAILED": "service_failed", "CANCELLED": "cancelled", "TIMEOUT": "time_limit"}


class History:
    """Some jobs, what really happens to them, and what we say of them."""

    def __init__(self, folder: Path, seed: int, make_world: Callable[[Path], World] = World) -> None:
        self.chance = random.Random(seed)
        self.cluster = FakeCluster(
            seed=seed,
            accounting=self.chance.choice(["up", "up", "disabled"]),
            # A busy cluster lets a preempted job wait for long.
            settings=Settings(requeue_delay_s=self.chance.choice([121.0, 2000.0])),
        )
        self.world = make_world(folder)
        self.engine: Engine = self.cluster.slurm()
        self.watch = Watch()
        self.writes_files: dict[str, str] = {}
        self.jobs: list[tuple[FakeJob, JobRecord]] = []
        self.lost: set[str] = set()
        self.silent: set[str] = set()
        """Tokens of jobs whose attempt ends before it writes anything, as when its node cannot run it."""
        self.told: dict[str, str] = {}
        self.cluster.on_start = self.began
        self.cluster.on_end = self.ended

    def submit(self) -> None:
        token = new_token(self.cluster.clock.now(), self.chance.randbytes(10))
        self.writes_files[token] = self.chance.choice(["all", "all", "end marker", "none"])
        job = self.cluster.add_job(
            name="hello", token=token, submit_dir=self.world.project.project_dir, may_requeue=self.chance.random() < 0.5
        )
        record = self.world.add(job.shown_id, token, submitted_at=self.cluster.clock.now())
        self.jobs.append((job, record))

    def began(self, job: FakeJob) -> None:
        self.silent.discard(job.token or "")
        if job.restarts and self.chance.random() < 0.3:
            self.silent.add(job.token or "")
        if self.files_of(job) != "none":
            self.write(job, "RUNNING")

    def ended(self, job: FakeJob) -> None:
        files, cause = self.files_of(job), CAUSES.get(job.state)
        if files == "none" or cause is None or job.started_at is None:
            return
        record = self.record_of(job)
        if record is None:
            return
        marker = {"job_id": record.job_id, "submission_token": record.submission_token, "cause": cause}
        now = self.cluster.now()  # of the node, which knows nothing of a client's clock
        self.world.write(record.job_paths.end.path, {**marker, "at": now, "exit_code": job.exit_code})
        if files == "all":
            self.write(job, job.state)

    def write(self, job: FakeJob, status: str, *, cause: str | None = None) -> None:
        """state.json as the job's supervisor would write it now."""
        record = self.record_of(job)
        if record is None:
            return
        now = self.cluster.now()
        self.world.write_state(
            status,
            paths=record.job_paths,
            job_id=record.job_id,
            submission_token=record.submission_token,
            attempt=job.restarts,
            started_at=(job.started_at or now) + 0.1,
            heartbeat_at=now,
            finished_at=None if status == "RUNNING" else now,
            cause=cause or CAUSES.get(status),
        )

    def files_of(self, job: FakeJob) -> str:
        return "none" if job.token in self.silent else self.writes_files.get(job.token or "", "none")

    def record_of(self, job: FakeJob) -> JobRecord | None:
        return next((record for other, record in self.jobs if other is job), None)

    def live(self) -> list[FakeJob]:
        return [job for job, record in self.jobs if not job.is_over and record.submission_token not in self.lost]

    def running(self) -> list[FakeJob]:
        return [job for job in self.live() if job.state == "RUNNING"]

    # -- what may happen

    def finish_one(self) -> None:
        if jobs := self.running():
            state = self.chance.choice(["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL"])
            self.cluster.finish(self.chance.choice(jobs).shown_id, state=state)

    def preempt_one(self) -> None:
        """The supervisor sees a signal, writes its last word, and Slurm starts the job again later."""
        for job in self.running()[:1]:
            if job.may_requeue and self.files_of(job) == "all":
                self.write(job, "CANCELLED", cause="signal")
            self.cluster.preempt(job.shown_id)

    def requeue_one(self) -> None:
        for job in self.running()[:1]:
            self.cluster.requeue(job.shown_id)

    def fail_a_node(self) -> None:
        for job in self.running()[:1]:
            self.cluster.fail_node(job.shown_id)

    def crash(self) -> None:
        """The controller forgets the newest job when it had only just acknowledged it."""
        job, record = self.jobs[-1]
        if self.cluster.jobs and self.cluster.jobs[-1] is job and job.started_at is None and job.restarts == 0:
            self.cluster.crash_controller(lose_last=1)
            self.lost.add(record.submission_token)

    def silence(self) -> None:
        lever: Callable[[float], None] = self.chance.choice(
            [self.cluster.stop_controller, self.cluster.freeze_controller]
        )
        lever(self.chance.choice([5.0, 40.0, 200.0]))

    def stop_accounting(self) -> None:
        if self.cluster.accounting == "up":
            self.cluster.stop_accounting()

    def start_accounting(self) -> None:
        if self.cluster.accounting == "down":
            self.cluster.start_accounting()

    def nothing(self) -> None:
        """Time alone passes."""

    def step(self) -> None:
        happenings: list[Callable[[], None]] = [
            self.finish_one,
            self.finish_one,
            self.preempt_one,
            self.requeue_one,
            self.fail_a_node,
            self.silence,
            self.stop_accounting,
            self.start_accounting,
            self.submit,
            self.crash,
            self.nothing,
            self.nothing,
        ]
        self.chance.choice(happenings)()
        self.pass_time(self.chance.choice([0.5, 3.0, 11.0, 65.0, 130.0, 310.0]))
        self.look()

    def pass_time(self, seconds: float) -> None:
        self.cluster.clock.sleep(seconds)
        self.cluster.advance()
        for job in self.running():
            if self.files_of(job) != "none":
                self.write(job, "RUNNING")  # the heartbeat

    # -- what we say

    def look(self) -> None:
        watch = self.watch if self.chance.random() < 0.6 else Watch()
        for (job, record), snapshot in zip(self.jobs, self.observe(watch)):
            token = record.submission_token
            if snapshot.terminal:
                before = self.told.get(token)
                self.told[token] = str(snapshot.state)
                # Another watcher may know more than that all trace is gone.
                assert before in {None, "LOST", snapshot.state}, f"{before} was taken back"
                assert snapshot.state in self.true_ends(job, record), f"job {job.shown_id} is {job.state}"

    def observe(self, watch: Watch) -> list[JobSnapshot]:
        return observe([record for _, record in self.jobs], self.engine, self.cluster.clock, watch=watch)

    def true_ends(self, job: FakeJob, record: JobRecord) -> set[str]:
        """What may be said as final now."""
        if record.submission_token in self.lost:
            return {"LOST"}
        if not job.is_over:
            return set()
        no_trace = self.cluster.accounting != "up" and self.files_of(job) == "none"
        no_trace = no_trace or (self.cluster.accounting != "up" and job.state not in CAUSES)
        no_trace = no_trace or (self.cluster.accounting != "up" and job.started_at is None)
        return {job.state, "LOST"} if no_trace else {job.state}

    def come_to_an_end(self) -> None:
        """Everything is repaired, all jobs end, and some minutes later all is known."""
        self.cluster.start_controller()
        self.start_accounting()
        for job in self.live():
            self.cluster.finish(job.shown_id, state="COMPLETED")
        for _ in range(8):
            self.pass_time(100)
            self.look()
        assert len(self.told) == len(self.jobs)


@pytest.mark.parametrize("part", range(4))
def test_no_history_has_a_wrong_or_early_end(tmp_path: Path, part: int) -> None:
    """Seeded, so a failure comes again; the seed is in the name of the folder."""
    for seed in range(part, _SEEDS, 4):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        history = History(folder, seed)
        history.submit()
        for _ in range(_STEPS):
            history.step()
        history.come_to_an_end()
