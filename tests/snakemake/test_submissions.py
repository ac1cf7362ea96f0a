"""Jobs on their way to the scheduler, on a cluster that refuses, falls silent and loses answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster, accept_then_timeout, rc
from compose_core.testing.fake_cluster import Settings
from tests.snakemake.fake_job import FakeGroup, FakeJob
from tests.snakemake.world import World, fan

pytestmark = [pytest.mark.adapters, pytest.mark.usefixtures("workdir")]


def test_jobs_of_one_shape_are_one_array(cluster: FakeCluster, tmp_path: Path) -> None:
    """Also when they are not all that are ready: none of them waits for others."""
    world = World(cluster, tmp_path)
    placed = world.submit(*fan(20))
    assert len(placed) == 20
    assert world.calls_of("sbatch") == 1
    assert [one.task for one in placed] == list(range(20))
    assert len({one.external_id for one in placed}) == 20


def test_other_requests_are_other_arrays(cluster: FakeCluster, tmp_path: Path) -> None:
    """Each job gets what it asked for, whatever the first of them did."""
    world = World(cluster, tmp_path)
    world.submit(*fan(3), *[FakeJob(name="big", resources={"mem_mb": 900}, output=["big"])])
    assert world.calls_of("sbatch") == 2
    scripts = [job.command for job in cluster.jobs]
    texts = [Path(script.split(" claim:")[0]).read_text(encoding="utf-8") for script in scripts]
    assert sum("--mem=900M" in text for text in texts) == 1


def test_a_job_alone_is_no_array(cluster: FakeCluster, tmp_path: Path) -> None:
    """And arrays can be switched off."""
    world = World(cluster, tmp_path, no_array=True)
    placed = world.submit(*fan(2))
    assert [one.task for one in placed] == [None, None]
    assert world.calls_of("sbatch") == 2


def test_arrays_stay_below_the_limit_and_are_of_equal_size(cluster: FakeCluster, tmp_path: Path) -> None:
    """A throttle holds for each of them."""
    world = World(cluster, tmp_path, array_limit=10, array_throttle=3)
    placed = world.submit(*fan(25))
    assert len(placed) == 25
    assert world.calls_of("sbatch") == 3
    assert {job.throttle for job in cluster.jobs} == {3}


def test_a_site_with_small_arrays_gets_small_arrays(tmp_path: Path) -> None:
    """MaxArraySize is found out by being refused; nobody's job fails of it."""
    cluster = FakeCluster(settings=Settings(max_array_size=11))
    world = World(cluster, tmp_path)
    world.submit(*fan(25))
    for _ in range(6):
        world.step(after_s=1)
    assert len(world.submitted) == 25
    assert not world.failed


def test_a_limit_for_now_is_waited_for(tmp_path: Path) -> None:
    """The peer fails such jobs; here they wait until the site takes them."""
    cluster = FakeCluster(settings=Settings(max_submit_jobs=4))
    world = World(cluster, tmp_path)
    world.submit(*fan(6))
    for _ in range(6):
        world.step(after_s=130)
        for info in list(world.active_jobs):
            assert info.aux
            cluster.finish(info.aux["placed"].external_id)
            world.finish(info.aux["placed"])
        world.look(asking=False)
    assert len(world.succeeded) == 6
    assert not world.failed


def test_a_wrong_account_fails_the_job_and_says_what_slurm_said(tmp_path: Path) -> None:
    """Nothing hangs."""
    cluster = FakeCluster(settings=Settings(accounts=frozenset({"physics"})))
    world = World(cluster, tmp_path)
    job = FakeJob(resources={"slurm_account": "bogus"})
    assert world.submit(job) == []
    assert world.failed == [job]
    assert "nvalid account" in str(job.errors[0][0])
    assert "the resource slurm_account" in str(job.errors[0][0])
    assert "x-slurm.account" not in str(job.errors[0][0])


def test_a_group_that_cannot_be_submitted_fails_as_a_group(tmp_path: Path) -> None:
    """A group has no rule of its own, which is no reason to hang."""
    cluster = FakeCluster(settings=Settings(accounts=frozenset({"physics"})))
    world = World(cluster, tmp_path)
    group = FakeGroup(fan(3), resources={"slurm_account": "bogus"})
    world.submit(group)
    assert world.failed == [group]


def test_an_account_costs_no_call_per_job(cluster: FakeCluster, tmp_path: Path) -> None:
    """What a rule names is believed: sbatch says if it is wrong."""
    world = World(cluster, tmp_path)
    world.submit(*fan(50, resources={"slurm_account": "root"}))
    assert cluster.programs_run == ["sbatch"]


def test_a_job_that_cannot_be_described_fails_alone(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever exception it is."""
    world = World(cluster, tmp_path)
    bad = FakeJob(name="bad")

    def explode() -> list[str]:
        raise AttributeError("no such thing")

    monkeypatch.setattr(bad, "get_wait_for_files", explode)
    world.submit(bad, *fan(2))
    assert world.failed == [bad]
    assert "no such thing" in str(bad.errors[0][0])
    assert len(world.submitted) == 2


def test_an_exception_in_a_submission_fails_its_jobs(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, for example."""
    world = World(cluster, tmp_path)
    jobs = fan(2)
    Path(".snakemake").write_text("a file where a folder should be", encoding="utf-8")
    world.submit(*jobs)
    assert set(world.failed) == set(jobs)
    assert world.calls_of("sbatch") == 0


def test_an_answer_that_was_lost_makes_no_second_job(cluster: FakeCluster, tmp_path: Path) -> None:
    """The core finds the job by its token."""
    world = World(cluster, tmp_path)
    cluster.fail_next("sbatch", accept_then_timeout())
    placed = world.submit(*fan(3))
    assert len(placed) == 3
    assert world.calls_of("sbatch") == 1


def test_a_controller_that_is_down_is_waited_for(cluster: FakeCluster, tmp_path: Path) -> None:
    """Once it is back, each job is submitted once."""
    world = World(cluster, tmp_path)
    cluster.stop_controller(for_s=120)
    assert world.submit(*fan(3)) == []
    for _ in range(12):
        world.step(after_s=60)
    assert len(world.submitted) == 3
    assert not world.failed
    assert len({job.array_number for job in cluster.jobs}) == 1
    assert sum("does not answer" in text for text in world.said) == 1


def test_a_transient_refusal_is_tried_again(cluster: FakeCluster, tmp_path: Path) -> None:
    """Limits of users and groups are limits for now."""
    world = World(cluster, tmp_path)
    words = (
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)"
    )
    cluster.fail_next("sbatch", rc(1, words))
    assert world.submit(FakeJob()) == []
    assert not world.failed
    world.step(after_s=130)
    assert len(world.submitted) == 1


def test_a_window_makes_one_array_of_several_rounds(cluster: FakeCluster, tmp_path: Path) -> None:
    """And ends by itself: no job waits for a later one."""
    world = World(cluster, tmp_path, batch_window=2.0)
    jobs = fan(6)
    assert world.submit(*jobs[:3]) == []
    cluster.clock.advance(1)
    assert world.submit(*jobs[3:]) == []
    world.step(after_s=1.1)
    assert len(world.submitted) == 6
    assert world.calls_of("sbatch") == 1


def test_names_say_whose_job_it_is(cluster: FakeCluster, tmp_path: Path) -> None:
    """For people who look at squeue."""
    world = World(cluster, tmp_path, jobname_prefix="lab")
    world.submit(*fan(2))
    assert {job.name for job in cluster.jobs} == {f"lab-smk-{world.jobs.paths.run[:8]}-fan"}


@pytest.mark.parametrize(("written", "given"), [("", 0o027), ("x-slurm: {umask: '0002'}\n", None)])
def test_files_of_rules_get_our_own_mask(cluster: FakeCluster, tmp_path: Path, written: str, given: int | None) -> None:
    """As if Snakemake had run them itself; a file that says `umask` is heeded."""
    (tmp_path / "stack.yaml").write_text("runtime: {backend: host}\nservices:\n  side: {command: sleep 9}\n" + written)
    before = os.umask(0o027)
    try:
        world = World(cluster, tmp_path)
    finally:
        os.umask(before)
    world.submit(FakeJob(resources={"compose": "stack.yaml"}))
    [manifest] = world.jobs.paths.folder.glob("units/*/0.json")
    assert json.loads(manifest.read_text())["umask"] == given
