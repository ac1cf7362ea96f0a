"""How the ends of jobs are seen: by their results, else by Slurm's word, and never by silence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compose_core.testing import FakeCluster, garbage
from snakemake_executor_plugin_hpccompose.failures import why
from snakemake_executor_plugin_hpccompose.runner.results import read_result
from tests.snakemake.fake_job import FakeGroup, FakeJob
from tests.snakemake.world import World, fan

pytestmark = [pytest.mark.adapters, pytest.mark.usefixtures("workdir")]


def test_results_end_jobs_without_a_question(cluster: FakeCluster, tmp_path: Path) -> None:
    """Slurm may be asked seldom, because it is not needed for this."""
    world = World(cluster, tmp_path)
    one, two, three = world.submit(*fan(3))
    world.finish(one)
    world.finish(two, ok=False, exit_code=7, message="the rule failed")
    world.look(asking=False)
    assert world.succeeded == [one.ready.job]
    assert world.failed == [two.ready.job]
    assert [info.job for info in world.active_jobs] == [three.ready.job]
    assert world.calls_of("squeue") == 0


def test_tasks_of_an_array_end_each_by_itself(cluster: FakeCluster, tmp_path: Path) -> None:
    """Their states are never taken for each other's."""
    world = World(cluster, tmp_path)
    one, two, three = world.submit(*fan(3))
    cluster.clock.advance(10)
    cluster.finish(two.external_id, state="OUT_OF_MEMORY")
    world.look(after_s=60)
    world.look(after_s=60)
    assert world.failed == [two.ready.job]
    assert "OUT_OF_MEMORY" in str(two.ready.job.errors[0][0])
    assert {info.job for info in world.active_jobs} == {one.ready.job, three.ready.job}


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "FAILED", "BOOT_FAIL"])
def test_every_bad_end_without_a_result_is_an_error(cluster: FakeCluster, tmp_path: Path, state: str) -> None:
    """`CANCELLED by 2001` among them."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.finish(one.external_id, state=state)
    for _ in range(12):
        world.look(after_s=60)
    assert world.failed == [one.ready.job]
    assert state in str(one.ready.job.errors[0][0])


def test_completed_without_a_result_is_believed_after_the_latency(cluster: FakeCluster, tmp_path: Path) -> None:
    """A file system may show the result late; Snakemake looks at the output in any case."""
    world = World(cluster, tmp_path, latency_wait=100)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.finish(one.external_id)
    world.look(after_s=60)
    assert not world.succeeded
    world.look(after_s=101)
    assert world.succeeded == [one.ready.job]


def test_a_word_that_nobody_knows_is_no_end(cluster: FakeCluster, tmp_path: Path) -> None:
    """Neither success nor failure."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.show_as(one.external_id, "SOMETHING_NEW")
    world.look(after_s=60)
    world.look(after_s=60)
    assert (world.succeeded, world.failed) == ([], [])
    assert len(world.active_jobs) == 1


def test_a_silent_scheduler_fails_nothing_and_is_told_once(cluster: FakeCluster, tmp_path: Path) -> None:
    """Results are seen meanwhile."""
    world = World(cluster, tmp_path)
    one, two = world.submit(*fan(2))
    cluster.stop_controller()
    for _ in range(5):
        world.look(after_s=200)
    world.finish(one)
    world.look(after_s=10)
    assert world.succeeded == [one.ready.job]
    assert world.failed == []
    assert sum("does not answer" in text for text in world.said) == 1
    cluster.start_controller()
    world.look(after_s=200)
    assert sum("answers again" in text for text in world.said) == 1
    assert [info.job for info in world.active_jobs] == [two.ready.job]


def test_accounting_that_is_off_is_not_needed(tmp_path: Path) -> None:
    """The queue and the results are enough."""
    cluster = FakeCluster(accounting="disabled")
    world = World(cluster, tmp_path)
    one, two = world.submit(*fan(2))
    cluster.clock.advance(10)
    world.finish(one)
    cluster.finish(one.external_id)
    cluster.finish(two.external_id, state="TIMEOUT")
    for _ in range(4):
        world.look(after_s=60)
    assert world.succeeded == [one.ready.job]
    assert world.failed == [two.ready.job]


def test_a_job_that_slurm_starts_again_is_waited_for(cluster: FakeCluster, tmp_path: Path) -> None:
    """What its first start left behind says that it was stopped, which is no end while it comes back."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    world.finish(one, ok=False, exit_code=143, message="stopped")
    cluster.requeue(one.external_id)
    for _ in range(3):
        world.look(after_s=60)
    assert world.failed == []
    world.finish(one)
    world.look(asking=False)
    assert world.succeeded == [one.ready.job]


def test_a_job_that_was_stopped_for_good_fails_with_slurms_word(cluster: FakeCluster, tmp_path: Path) -> None:
    """Its own result only knows of a signal."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob(name="align", resources={"runtime": 10}))
    cluster.clock.advance(10)
    world.finish(one, ok=False, exit_code=143, message="stopped by TERM")
    cluster.finish(one.external_id, state="TIMEOUT")
    world.look(after_s=60)
    world.look(after_s=60)
    message = str(one.ready.job.errors[0][0])
    assert "TIMEOUT: job" in message
    assert "on node3" in message
    assert "10 minutes" in message
    assert "--set-resources align:runtime=20" in message


def test_failures_cost_no_calls_of_their_own(cluster: FakeCluster, tmp_path: Path) -> None:
    """The peer asks ten times for each."""
    world = World(cluster, tmp_path)
    placed = world.submit(*fan(20))
    cluster.programs_run.clear()
    for one in placed:
        world.finish(one, ok=False)
    world.look(after_s=31)
    assert len(world.failed) == 20
    assert len(cluster.programs_run) <= 2


def test_one_question_for_all_jobs_in_an_interval(cluster: FakeCluster, tmp_path: Path) -> None:
    """However many rounds of jobs are submitted meanwhile."""
    world = World(cluster, tmp_path)
    for number in range(12):
        world.submit(*fan(3, resources={"mem_mb": 100 + number}))
        world.look(after_s=5)
    assert len(world.submitted) == 36
    assert world.calls_of("squeue") <= 3


def test_a_group_that_fails_is_reported_as_one(cluster: FakeCluster, tmp_path: Path) -> None:
    """Once."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeGroup(fan(3)))
    world.finish(one, ok=False)
    world.look(asking=False)
    world.look(asking=False)
    assert world.failed == [one.ready.job]


def test_a_spoilt_answer_fails_nothing(cluster: FakeCluster, tmp_path: Path) -> None:
    """Text that is no table is no answer."""
    world = World(cluster, tmp_path)
    world.submit(*fan(2))
    cluster.fail_next("squeue", garbage("Welcome to the cluster!\n"))
    world.look(after_s=60)
    assert world.failed == []
    assert len(world.active_jobs) == 2


def test_a_look_that_fails_loses_no_job(cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception there would end the workflow and leave all jobs behind."""
    world = World(cluster, tmp_path)
    placed = world.submit(*fan(3))

    def explode(place: object) -> None:
        raise RuntimeError("something new")

    world.finish(placed[0])
    with monkeypatch.context() as patched:
        patched.setattr(world.jobs.watcher, "of", explode)
        world.look(asking=False)
    assert len(world.active_jobs) == 3
    world.look(asking=False)
    assert world.succeeded == [placed[0].ready.job]


def test_logs_of_successful_jobs_go_and_others_stay(cluster: FakeCluster, tmp_path: Path) -> None:
    """Unless they are kept; the failed one's end is shown."""
    world = World(cluster, tmp_path)
    good, bad = world.submit(*fan(2))
    for one in (good, bad):
        one.log.parent.mkdir(parents=True, exist_ok=True)
        one.log.write_text("the last words\n", encoding="utf-8")
    world.finish(good)
    world.finish(bad, ok=False)
    world.look(asking=False)
    assert not good.log.exists()
    assert bad.log.exists()
    [(message, more)] = bad.ready.job.errors
    assert "the last words" in str(message)
    assert str(bad.log) in more["aux_logs"]


def test_interruption_cancels_in_few_calls(cluster: FakeCluster, tmp_path: Path) -> None:
    """And what was not submitted is not submitted any more."""
    world = World(cluster, tmp_path, no_array=True)
    world.submit(*fan(12))
    cluster.programs_run.clear()
    world.jobs.run(fan(3, threads=2))
    world.jobs.cancel()
    assert cluster.programs_run == ["squeue", "scancel"]
    assert all(job.is_over for job in cluster.jobs)
    world.step(after_s=100)
    assert world.calls_of("sbatch") == 0


def test_detaching_leaves_the_jobs_alone(cluster: FakeCluster, tmp_path: Path) -> None:
    """The user is told how to come back."""
    world = World(cluster, tmp_path, on_exit="detach")
    world.submit(*fan(2))
    world.jobs.cancel()
    assert not any(job.is_over for job in cluster.jobs)
    assert any("--rerun-incomplete" in text for text in world.said)


def test_an_error_does_not_say_how_a_running_job_is_known_to_run(cluster: FakeCluster, tmp_path: Path) -> None:
    """The result comes before Slurm's word: what was known of the job until then is no reason for its end."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    snapshot: Any = SimpleNamespace(
        state="RUNNING",
        terminal=False,
        reason="",
        detail="by its own heartbeat",
        services=(),
        nodelist="node1",
        record=one.record,
    )
    world.finish(one, ok=False, exit_code=3)
    result = read_result(one.result)
    assert "exit code 3." in why(one, result, snapshot)
    snapshot.state, snapshot.terminal = "TIMEOUT", True
    assert "by its own heartbeat" in why(one, result, snapshot)
