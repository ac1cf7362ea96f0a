"""What a run does with the jobs of one that was killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster, accept_then_timeout
from snakemake_executor_plugin_hpccompose.ledger import Ledger
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.world import World, fan

pytestmark = [pytest.mark.adapters, pytest.mark.usefixtures("workdir")]


def test_jobs_that_run_or_wait_are_taken_on(cluster: FakeCluster, tmp_path: Path) -> None:
    """Nothing is submitted twice."""
    first = World(cluster, tmp_path)
    first.submit(*fan(3))
    cluster.clock.advance(10)
    second = World(cluster, tmp_path)
    placed = second.submit(*fan(3))
    assert second.calls_of("sbatch") == 1
    assert [one.external_id for one in placed] == [info.external_jobid for info in first.submitted]
    second.finish(placed[1])
    second.look(asking=False)
    assert second.succeeded == [placed[1].ready.job]


def test_a_job_that_ended_meanwhile_is_done_if_all_is_there(cluster: FakeCluster, tmp_path: Path) -> None:
    """Its result tells, and its output is newer than its input."""
    first = World(cluster, tmp_path)
    [one] = first.submit(FakeJob())
    first.finish(one)
    Path("out.txt").touch()
    second = World(cluster, tmp_path)
    job = FakeJob()
    assert second.submit(job) == []
    assert second.succeeded == [job]
    assert cluster.programs_run.count("sbatch") == 1


@pytest.mark.parametrize("spoilt", ["output", "input", "seen", "failed"])
def test_otherwise_it_runs_again(cluster: FakeCluster, tmp_path: Path, spoilt: str) -> None:
    """Its output is gone, its input is newer, Snakemake knew of its end already, or it failed."""
    first = World(cluster, tmp_path)
    source = FakeJob(input=["in.txt"])
    Path("in.txt").touch()
    [one] = first.submit(source)
    first.finish(one, ok=spoilt != "failed")
    cluster.finish(one.external_id)
    if spoilt == "seen":
        first.look(asking=False)
    if spoilt != "output":
        Path("out.txt").touch()
    changed_at = cluster.clock.now() + 1000 if spoilt == "input" else 1.0
    os.utime("in.txt", (changed_at, changed_at))
    second = World(cluster, tmp_path)
    assert len(second.submit(FakeJob(input=["in.txt"]))) == 1
    assert second.succeeded == []


def test_a_changed_rule_ends_its_old_job_first(cluster: FakeCluster, tmp_path: Path) -> None:
    """Two jobs never write the same file."""
    first = World(cluster, tmp_path)
    [old] = first.submit(FakeJob())
    cluster.clock.advance(10)
    second = World(cluster, tmp_path)
    assert second.submit(FakeJob(shellcmd="another command")) == []
    assert cluster.job(old.external_id).state in ("CANCELLED", "COMPLETING")
    second.step(after_s=10)
    [new] = [info.aux["placed"] for info in second.submitted if info.aux]
    assert new.external_id != old.external_id


def test_other_resources_are_a_change_in_the_first_attempt_only(cluster: FakeCluster, tmp_path: Path) -> None:
    """A second attempt had more memory, which the first one of a new run cannot know."""
    first = World(cluster, tmp_path)
    first.submit(FakeJob(attempt=2, resources={"mem_mb": 200}))
    cluster.clock.advance(10)
    second = World(cluster, tmp_path)
    assert [one.attached for one in second.submit(FakeJob(resources={"mem_mb": 100}))] == [True]


def test_never_taking_on_ends_them_first(cluster: FakeCluster, tmp_path: Path) -> None:
    """As the setting says."""
    first = World(cluster, tmp_path)
    first.submit(FakeJob())
    cluster.clock.advance(10)
    second = World(cluster, tmp_path, reattach="never")
    assert second.submit(FakeJob()) == []
    second.step(after_s=10)
    assert [info.aux["placed"].attached for info in second.submitted if info.aux] == [False]


def test_a_silent_scheduler_makes_jobs_wait(cluster: FakeCluster, tmp_path: Path) -> None:
    """What cannot be seen may still run."""
    first = World(cluster, tmp_path)
    first.submit(FakeJob())
    cluster.stop_controller()
    cluster.stop_accounting()
    second = World(cluster, tmp_path)
    assert second.submit(FakeJob()) == []
    cluster.start_controller()
    second.step(after_s=130)
    assert [info.aux["placed"].attached for info in second.submitted if info.aux] == [True]


def test_a_job_whose_id_nobody_wrote_down_is_found(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between sbatch and the ledger."""
    first = World(cluster, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "submitted", lambda *_, **__: None)
        first.submit(*fan(2))
    cluster.clock.advance(10)
    second = World(cluster, tmp_path)
    assert [one.attached for one in second.submit(*fan(2))] == [True, True]
    assert second.calls_of("sbatch") == 1


def test_a_unit_that_was_never_submitted_is_submitted(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the intent and sbatch."""
    import compose_core

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    first = World(cluster, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(compose_core, "submit", killed, raising=False)
        first.jobs.run(fan(2))
        with pytest.raises(KeyboardInterrupt):
            first.jobs.submissions.step()
    second = World(cluster, tmp_path)
    assert [one.attached for one in second.submit(*fan(2))] == [False, False]


def test_an_id_that_is_another_jobs_now_is_not_taken_on(cluster: FakeCluster, tmp_path: Path) -> None:
    """Ids are reused; the token decides."""
    first = World(cluster, tmp_path)
    [old] = first.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.finish(old.external_id, state="FAILED", forgotten_by_squeue=True)
    cluster.next_job_id = int(old.external_id)
    cluster.add_job(name="somebody")
    second = World(cluster, tmp_path)
    second.submit(FakeJob())
    for _ in range(5):
        second.step(after_s=130)
    assert [info.aux["placed"].attached for info in second.submitted if info.aux] == [False]


def test_a_torn_ledger_loses_one_line(tmp_path: Path, cluster: FakeCluster) -> None:
    """The rest counts, and what is written later stands on a line of its own."""
    first = World(cluster, tmp_path)
    first.submit(*fan(2))
    path = first.jobs.paths.ledger
    with path.open("ab") as file:
        file.write(b'{"schema_version":1,"what":"intent","run":"x","uni')
    second = World(cluster, tmp_path)
    placed = second.submit(*fan(2), FakeJob(name="other", output=["other"]))
    assert [one.attached for one in placed] == [True, True, False]
    third = World(cluster, tmp_path)
    assert all(one.attached for one in third.submit(*fan(2), FakeJob(name="other", output=["other"])))


def test_a_large_ledger_shrinks(tmp_path: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without forgetting what still runs."""
    first = World(cluster, tmp_path)
    first.submit(*fan(5))
    monkeypatch.setattr("snakemake_executor_plugin_hpccompose.ledger._LARGE", 10)
    path = first.jobs.paths.ledger
    with path.open("ab") as file:
        file.writelines(b"\n" for _ in range(5000))
    before = path.stat().st_size
    second = World(cluster, tmp_path)
    assert all(one.attached for one in second.submit(*fan(5)))
    assert path.stat().st_size < before
    third = World(cluster, tmp_path)
    assert all(one.attached for one in third.submit(*fan(5)))


def test_a_lost_answer_is_settled_by_the_next_run(cluster: FakeCluster, tmp_path: Path) -> None:
    """Killed while it was not known whether Slurm took the job."""
    first = World(cluster, tmp_path)
    cluster.fail_next("sbatch", accept_then_timeout())
    cluster.freeze_controller(for_s=400)
    first.jobs.run(fan(2))
    first.step()
    cluster.start_controller()
    second = World(cluster, tmp_path)
    second.submit(*fan(2))
    for _ in range(6):
        second.step(after_s=130)
    assert len(second.submitted) == 2
    assert len({job.array_number or job.number for job in cluster.jobs if not job.is_over}) == 1
