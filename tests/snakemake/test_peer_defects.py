"""What snakemake-executor-plugin-slurm 2.8 gets wrong, letter by letter: each test fails with an executor that does the same.

| defect | of the peer |
|---|---|
| A | an array that is smaller than what is ready is never submitted, and the workflow hangs |
| B | `CANCELLED by 2001` is no end |
| C | tasks of an array have one state, the outputs of the first and the resources of the first |
| D | a group that cannot be submitted hangs the workflow |
| E | after a crash, jobs that run are submitted again |
| F | the account is guessed, by a call that can never succeed |
| G | an explicit account costs a call of the accounting for each job |
| H | each failed job costs ten calls |
| I | jobs lose SLURM_CONF, so that what they start finds no cluster |
| J | a state that nobody knows is success |
| K | the plugin's import, in every Snakemake process, loads pandas and starts programs |
| L | one `scancel` for all ids; the efficiency is compared with 0.8 where it is a percentage |
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from compose_core.testing.fake_cluster import Settings
from snakemake_executor_plugin_hpccompose.end_report import FinishedMember, TaskUsage, rule_figures
from snakemake_executor_plugin_hpccompose.rightsize import suggestion_of
from snakemake_executor_plugin_hpccompose.runner.results import Result
from tests.snakemake.fake_job import FakeGroup, FakeJob
from tests.snakemake.workflow import Workflow
from tests.snakemake.world import World, fan

pytestmark = pytest.mark.adapters


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster on which jobs run until the test ends them."""
    monkeypatch.chdir(tmp_path)
    return FakeCluster()


def scripts(cluster: FakeCluster) -> list[str]:
    """What was handed to sbatch, one for each job or array."""
    paths = dict.fromkeys(job.command.split(" claim:")[0] for job in cluster.jobs)
    return [Path(path).read_text(encoding="utf-8") for path in paths]


def test_a_a_batch_smaller_than_what_is_ready_is_submitted(cluster: FakeCluster, tmp_path: Path) -> None:
    """Snakemake hands over 20 of 50 ready jobs: nobody waits for the others."""
    world = World(cluster, tmp_path)
    assert len(world.submit(*fan(50)[:20])) == 20
    assert world.calls_of("sbatch") == 1


def test_b_cancelled_by_somebody_is_an_end(cluster: FakeCluster, tmp_path: Path) -> None:
    """In the accounting the state has more than one word."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.finish(one.external_id, state="CANCELLED")
    cluster.clock.advance(10)
    said = cluster.run(["sacct", "-X", "-P", "-n", "-o", "JobID,State", "-j", one.external_id], timeout_s=5)
    assert "CANCELLED by" in str(said)
    cluster.forget(one.external_id)  # the queue is of no help
    for _ in range(12):
        world.look(after_s=60)
    assert world.failed == [one.ready.job]


def test_c_tasks_of_an_array_end_each_by_itself(cluster: FakeCluster, tmp_path: Path) -> None:
    """One fails, one runs, one is done, each by its own state and result."""
    world = World(cluster, tmp_path)
    one, two, three = world.submit(*fan(3))
    cluster.clock.advance(10)
    cluster.finish(two.external_id, state="FAILED")
    world.finish(three)
    for _ in range(3):
        world.look(after_s=60)
    assert (world.failed, world.succeeded) == ([two.ready.job], [three.ready.job])
    assert [info.job for info in world.active_jobs] == [one.ready.job]


def test_c_each_task_has_its_own_job_result_and_log(cluster: FakeCluster, tmp_path: Path) -> None:
    """No task looks at the output of the first."""
    world = World(cluster, tmp_path)
    placed = world.submit(*fan(3))
    tasks = [
        json.loads(path.read_text()) for path in sorted(tmp_path.glob(".snakemake/hpccompose/*/units/*/[0-9].json"))
    ]
    members = [member for task in tasks for member in task["members"]]
    assert [member["result"] for member in members] == [str(one.result) for one in placed]
    assert len({member["log"] for member in members}) == len({member["key"] for member in members}) == 3


def test_c_each_job_gets_what_it_asked_for(cluster: FakeCluster, tmp_path: Path) -> None:
    """Resources that a function computes differ within a rule: those jobs are no tasks of one array."""
    world = World(cluster, tmp_path)
    world.submit(*[job for mem in (100, 200) for job in fan(2, resources={"mem_mb": mem})])
    assert sorted("--mem=100M" in text for text in scripts(cluster)) == [False, True]
    assert sorted("--mem=200M" in text for text in scripts(cluster)) == [False, True]


def test_d_a_group_that_cannot_be_submitted_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group has no rule of its own, which is no reason to hang."""
    monkeypatch.chdir(tmp_path)
    world = World(FakeCluster(settings=Settings(accounts=frozenset({"physics"}))), tmp_path)
    group = FakeGroup(fan(3), resources={"slurm_account": "bogus"})
    world.submit(group)
    assert world.failed == [group]


def test_e_after_a_crash_running_jobs_are_taken_on(cluster: FakeCluster, tmp_path: Path) -> None:
    """Two runs, one submission."""
    World(cluster, tmp_path).submit(*fan(3))
    cluster.clock.advance(10)
    second = World(cluster, tmp_path)
    assert len(second.submit(*fan(3))) == 3
    assert second.calls_of("sbatch") == 1


def test_f_no_account_is_guessed(cluster: FakeCluster, tmp_path: Path) -> None:
    """Where none is named, Slurm's own default holds, and nobody is asked for one."""
    world = World(cluster, tmp_path)
    world.submit(*fan(3))
    assert cluster.programs_run == ["sbatch"]
    assert [text for text in scripts(cluster) if "--account" in text] == []


def test_g_an_account_costs_no_call_per_job(cluster: FakeCluster, tmp_path: Path) -> None:
    """What a rule names is believed: sbatch says if it is wrong."""
    world = World(cluster, tmp_path)
    world.submit(*fan(50, resources={"slurm_account": "root"}))
    assert cluster.programs_run == ["sbatch"]
    assert "--account=root" in scripts(cluster)[0]


def test_h_failures_cost_no_calls_of_their_own(cluster: FakeCluster, tmp_path: Path) -> None:
    """Twenty of them, and their reasons are told."""
    world = World(cluster, tmp_path)
    placed = world.submit(*fan(20))
    cluster.programs_run.clear()
    for one in placed:
        world.finish(one, ok=False, message="no such file: genome.fa")
    world.look(after_s=31)
    assert len(world.failed) == 20
    assert len(cluster.programs_run) <= 2
    assert all("no such file: genome.fa" in str(one.ready.job.errors[0][0]) for one in placed)


def test_i_jobs_keep_slurm_conf(slurm_workflow: Workflow) -> None:
    """The private cluster's configuration is nowhere but where this variable says: an `srun` without it would fail."""
    slurm_workflow.write("""
        rule all:
            output: "conf.txt"
            resources: mem_mb=100, runtime=2
            shell: "srun -n1 printenv SLURM_CONF > {output}"
        """)
    run = slurm_workflow.run("--jobs", "1")
    assert run.returncode == 0, run.stdout
    assert slurm_workflow.text("conf.txt").strip() == slurm_workflow.environment["SLURM_CONF"]


def test_j_a_state_that_nobody_knows_is_no_success(cluster: FakeCluster, tmp_path: Path) -> None:
    """The job is waited for."""
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob())
    cluster.clock.advance(10)
    cluster.show_as(one.external_id, "UNKNOWN")
    for _ in range(3):
        world.look(after_s=60)
    assert (world.succeeded, world.failed) == ([], [])
    assert [info.job for info in world.active_jobs] == [one.ready.job]


LOADED = """
import json, sys
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in ("subprocess.Popen", "os.posix_spawn", "os.fork") else None)
import snakemake_executor_plugin_hpccompose as plugin
plugin.ExecutorSettings()
print(json.dumps([started, sorted({name.partition(".")[0] for name in sys.modules} & {"pandas", "numpy", "compose_core"})]))
"""


def test_k_the_import_starts_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """Nor do the settings, which every process makes; `test_discovery.py` has the figure in milliseconds."""
    shown = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert json.loads(shown) == [[], []]


def test_l_ids_are_cancelled_in_chunks(cluster: FakeCluster, tmp_path: Path) -> None:
    """450 jobs by three calls, none of them too long for a command line."""
    world = World(cluster, tmp_path, no_array=True)
    world.submit(*fan(450))
    cluster.calls.clear()
    world.jobs.cancel()
    cancels = [call for call in cluster.calls if Path(call[0]).name == "scancel"]
    assert len(cancels) == 3
    assert all(len(" ".join(call)) < 4000 for call in cancels)
    assert all(job.is_over for job in cluster.jobs)


@pytest.mark.parametrize(("cpu_s", "is_idle"), [(90.0, False), (10.0, True)])
def test_l_efficiency_is_a_percentage(cpu_s: float, is_idle: bool) -> None:
    """Two CPUs for 50 seconds: busy for 90 % of the time is well, for 10 % is not."""
    result = Result(
        key="k", attempt=1, run="r", unit="u", task=0, ok=True, exit_code=0, started_at=0, ended_at=50, cpu_s=cpu_s
    )
    member = FinishedMember(rule="align", key="k", attempt=1, job_id="41", submitted_at=0, cpus=2, result=result)
    [figures] = rule_figures([member], {"41": TaskUsage(wall_s=50.0, cpu_s=cpu_s)})
    assert figures.cpu_percent == pytest.approx(cpu_s)
    assert (suggestion_of(figures).threads is not None) == is_idle
