"""Two things at once: interruptions, ends and submissions that meet in the worst moment."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compose_core.testing import FakeCluster, accept_then_timeout
from snakemake_executor_plugin_hpccompose.runner import member_pool
from snakemake_executor_plugin_hpccompose.service_jobs import Turn
from snakemake_executor_plugin_hpccompose.status import ResultFiles
from snakemake_executor_plugin_hpccompose.workflow_services import WorkflowService, WorkflowServices
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.world import World, fan

pytestmark = [pytest.mark.adapters, pytest.mark.usefixtures("workdir")]


def test_an_interruption_during_a_look_cancels_all_jobs(cluster: FakeCluster, tmp_path: Path) -> None:
    """Snakemake takes all jobs off its list while it looks at them."""
    world = World(cluster, tmp_path)
    world.submit(*fan(5))
    world.active_jobs.clear()
    world.jobs.cancel()
    assert all(job.is_over for job in cluster.jobs)


def test_an_interruption_ends_a_round_of_submissions(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not with Slurm by then never gets there: with one `sbatch` per job a round takes minutes."""
    world = World(cluster, tmp_path, no_array=True)
    report, submissions = world.report_job_submission, world.jobs.submissions

    def interrupt(info: Any) -> None:
        report(info)
        submissions.stop(wait_s=0)

    monkeypatch.setattr(world, "report_job_submission", interrupt)
    world.submit(*fan(4))
    assert world.calls_of("sbatch") == 1


def test_a_thread_that_dies_after_a_submission_makes_no_second_job(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login node that gives no more threads, for one: two jobs would write the same files."""
    world = World(cluster, tmp_path)
    follow = world.jobs.watcher.follow

    def refuse(records: Any) -> None:
        monkeypatch.setattr(world.jobs.watcher, "follow", follow)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(world.jobs.watcher, "follow", refuse)
    world.submit(*fan(3))
    world.jobs.submissions.keep_going()
    world.step(after_s=100)
    assert world.calls_of("sbatch") == 1
    for info in world.active_jobs:
        assert info.aux
        world.finish(info.aux["placed"])
    world.look(after_s=1, asking=False)
    assert len(world.succeeded) == 3


def test_an_exception_while_an_answer_is_missing_fails_no_job(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job may be there: it would run beside its retry."""
    import compose_core

    world = World(cluster, tmp_path)
    submit = compose_core.submit
    cluster.fail_next("sbatch", accept_then_timeout())
    cluster.stop_controller(for_s=30)
    assert world.submit(FakeJob()) == []

    def full(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(compose_core, "submit", submit)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compose_core, "submit", full)
    for _ in range(4):
        world.step(after_s=130)
    assert not world.failed
    assert len(world.submitted) == 1
    assert len(cluster.jobs) == 1


def test_folders_of_results_may_be_added_during_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of an earlier run have theirs, and are found while others are looked at."""
    files = ResultFiles()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    files.follow(tmp_path / "one/a.json")
    stat, listdir = Path.stat, os.listdir

    def meanwhile_stat(path: Path, **more: Any) -> os.stat_result:
        files.follow(tmp_path / "two/b.json")
        return stat(path, **more)

    def meanwhile_listed(folder: str) -> list[str]:
        files.follow(tmp_path / "three/c.json")
        return listdir(folder)

    monkeypatch.setattr(Path, "stat", meanwhile_stat)
    monkeypatch.setattr(os, "listdir", meanwhile_listed)
    assert files.has_changed()
    files.list()


def test_a_log_is_opened_although_its_folder_has_just_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of a job that ended well was the last one there, and the executor took both away."""
    path, mkdir = tmp_path / "rule/a.1.log", Path.mkdir
    left = iter(range(3))

    def gone(folder: Path, **more: Any) -> None:
        mkdir(folder, **more)
        if next(left, None) is not None:
            folder.rmdir()

    monkeypatch.setattr(Path, "mkdir", gone)
    os.close(member_pool._open_log(path))
    assert path.exists()


def test_a_thousand_jobs_that_wait_for_a_service_cost_little(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked about twice a second, for as long as a model takes to load."""
    world = World(cluster, tmp_path)
    compared = 0

    class Counted(type(world.jobs._ready(FakeJob()))):  # type: ignore[misc]
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return self is other

        __hash__ = object.__hash__

    monkeypatch.setattr("snakemake_executor_plugin_hpccompose.executor.ReadyJob", Counted)
    world.jobs.run(fan(300))
    world.step()
    assert compared < 3000


def test_a_workflow_whose_state_lies_elsewhere_runs_in_its_own_folder(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.snakemake` is often a link into a file system with room for many files."""
    folder, elsewhere = tmp_path / "workflow", tmp_path / "scratch/state"
    folder.mkdir()
    elsewhere.mkdir(parents=True)
    (folder / ".snakemake").symlink_to(elsewhere)
    monkeypatch.chdir(folder)
    world = World(cluster, folder)
    assert world.jobs.paths.workdir == folder
    [placed] = world.submit(FakeJob())
    assert placed.result.is_relative_to(folder)


def test_a_node_with_another_time_of_day_costs_no_service_its_start(cluster: FakeCluster, tmp_path: Path) -> None:
    """How long a service takes to become ready is measured here; a node that is an hour behind would end it at once."""
    site = cluster.site(tmp_path)
    asked = WorkflowService(name="model", compose=tmp_path / "model.yaml")
    services = WorkflowServices(
        site, tmp_path, tmp_path / "s.json", {"model": asked}, run="r", timeout_s=1800, say=lambda _: None
    )
    turn = Turn(name="model", run_key="k", fingerprint="f")
    snapshot: Any = SimpleNamespace(
        terminal=False,
        time_limit_s=None,
        started_at=site.clock.now() - 3600,
        services=(),
        nodelist="node1",
        job_id="1",
        record=SimpleNamespace(batch_log=""),
    )
    service = services._services["model"]
    service.current = turn
    services._judge(service, "current", turn, snapshot)
    cluster.clock.advance(1790)
    services._judge(service, "current", turn, snapshot)
    assert service.current is turn
    cluster.clock.advance(20)
    services._judge(service, "current", turn, snapshot)
    assert services._services["model"].current is None
    assert service.failure is not None


def test_a_job_that_could_not_be_followed_is_followed_later(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would see that it ended without a result."""
    world = World(cluster, tmp_path)
    [placed] = world.submit(FakeJob())
    world.look()
    [late] = world.submit(FakeJob(name="late"))
    poller = world.jobs.watcher._poller
    assert poller is not None
    follow = poller.follow

    def fail(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(poller, "follow", follow)
        raise OSError("stale file handle")

    monkeypatch.setattr(poller, "follow", fail)
    with pytest.raises(OSError, match="stale"):
        world.jobs.watcher.look()
    cluster.clock.advance(100)
    cluster.finish(late.external_id, state="FAILED")
    for _ in range(4):
        world.look(after_s=100)
    assert world.failed == [late.ready.job]
    assert [info.job for info in world.active_jobs] == [placed.ready.job]
