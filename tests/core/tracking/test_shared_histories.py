"""Random lives of jobs, seen through answers that other processes got some time ago: no end is wrong or too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.shared_answers import SharedAnswers
from compose_core.job_state import JobState
from compose_core.records.our_path import OurPath
from compose_core.tracking.observe import Watch, observe
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.tracking.test_histories import History

_SEEDS = 16
_STEPS = 40


class SharedHistory(History):
    """Looks of several processes, which share answers; each says how old one may be."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.folder = folder
        self.raw = self.cluster.slurm()
        self.processes = [self.process() for _ in range(3)]

    def process(self) -> SharedAnswers:
        return SharedAnswers(
            engine=self.cluster.slurm(),
            folder=OurPath(self.folder) / "answers",
            clock=self.cluster.clock,
            boot="this boot",
        )

    def look(self) -> None:
        for _ in range(self.chance.choice([1, 1, 2, 4])):
            self.engine = self.chance.choice(self.processes)
            self.max_age_s = self.chance.choice([0.0, 2.0, 30.0, 60.0])
            super().look()
            if self.chance.random() < 0.3:
                self.pass_time(self.chance.choice([0.1, 1.0, 20.0]))

    def observe(self, watch: Watch) -> list[JobSnapshot]:
        records = [record for _, record in self.jobs]
        return observe(records, self.engine, self.cluster.clock, watch=watch, max_age_s=self.max_age_s)


@pytest.mark.parametrize("part", range(2))
def test_no_shared_answer_makes_an_end_wrong_or_early(tmp_path: Path, part: int) -> None:
    """Seeded, so a failure comes again; the seed is in the name of the folder."""
    for seed in range(part, _SEEDS, 2):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        history = SharedHistory(folder, seed)
        history.submit()
        for _ in range(_STEPS):
            history.step()
        history.come_to_an_end()


@pytest.mark.parametrize("seed", range(6))
def test_a_shared_answer_tells_what_was_so_when_it_was_asked_for(tmp_path: Path, seed: int) -> None:
    """Each snapshot is the one that a process without shared answers saw at that moment, or a newer one."""
    history = SharedHistory(tmp_path, seed)
    history.submit()
    history.submit()
    seen: dict[str, list[tuple[float, JobState]]] = {}
    shared_watch, raw_watch = Watch(), Watch()
    for _ in range(60):
        history.chance.choice(
            [history.finish_one, history.requeue_one, history.submit, history.nothing, history.nothing]
        )()
        history.pass_time(history.chance.choice([0.5, 3.0, 9.0]))
        clock = history.cluster.clock
        if history.chance.random() < 0.5:
            history.chance.choice(history.processes).queue()
        records = [record for _, record in history.jobs]
        begun_at = clock.now()
        for snapshot in observe(records, history.raw, clock, watch=raw_watch):
            seen.setdefault(snapshot.record.submission_token, []).append((begun_at, snapshot.state))
        max_age_s = history.chance.choice([5.0, 30.0])
        process = history.chance.choice(history.processes)
        for snapshot in observe(records, process, clock, watch=shared_watch, max_age_s=max_age_s):
            told = seen[snapshot.record.submission_token]
            since = [state for at, state in told if at >= snapshot.observed_at - 15.0]
            assert snapshot.observed_at >= begun_at - max_age_s - 1
            assert snapshot.state in since, f"{snapshot.job_id} was never {snapshot.state}: {told[-5:]}"


def test_a_job_that_was_submitted_after_the_answer_is_not_absent_from_it(tmp_path: Path) -> None:
    """The scheduler is asked anew, once for all processes."""
    history = SharedHistory(tmp_path, 0)
    history.cluster.auto_start = False
    clock = history.cluster.clock
    history.processes[0].queue()
    clock.sleep(20)
    history.submit()
    clock.sleep(20)
    history.cluster.programs_run.clear()
    record = history.jobs[0][1]
    for process in history.processes:
        assert observe([record], process, clock, max_age_s=60)[0].state is JobState.PENDING
    assert history.cluster.programs_run == ["squeue"]


def test_one_old_answer_is_no_absence_of_a_minute(tmp_path: Path) -> None:
    """A job counts as lost when answers that were asked for a minute apart lack it, not when one was read twice."""
    history = SharedHistory(tmp_path, 1)
    history.submit()
    clock, watch = history.cluster.clock, Watch()
    record = history.jobs[0][1]
    clock.sleep(600)
    history.cluster.crash_controller(lose_last=1)
    history.processes[0].queue()
    for _ in range(3):
        clock.sleep(25)
        snapshot = observe([record], history.processes[1], clock, watch=watch, max_age_s=1000)[0]
        assert snapshot.state is JobState.UNKNOWN
        assert not snapshot.terminal
        assert snapshot.observed_at < clock.now() - 20


def test_a_job_that_began_after_the_answer_does_not_wait_any_more(tmp_path: Path) -> None:
    """Its own heartbeat says more than an old word of the queue, and costs no call."""
    history = SharedHistory(tmp_path, 0)
    history.cluster.auto_start = False
    history.submit()
    job, record = history.jobs[0]
    history.writes_files[job.token or ""] = "all"
    clock, process = history.cluster.clock, history.processes[0]
    clock.sleep(20)
    assert observe([record], process, clock)[0].state is JobState.PENDING
    clock.sleep(5)
    history.cluster.start(job.shown_id)
    calls = len(history.cluster.programs_run)
    snapshot = observe([record], process, clock, max_age_s=60)[0]
    assert (snapshot.state, snapshot.source, snapshot.observed_at) == (JobState.RUNNING, "state", clock.now())
    assert len(history.cluster.programs_run) == calls
