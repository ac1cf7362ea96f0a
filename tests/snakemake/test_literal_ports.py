"""Two jobs with services at the same fixed port must not meet on a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.workflow import Workflow
from tests.snakemake.world import World, fan

pytestmark = pytest.mark.adapters

STACK = """\
runtime: {{backend: host}}
services:
  store:
    command: serve
    readiness: {{type: tcp, port: {port}}}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """With a compose file for each of two ports."""
    monkeypatch.chdir(tmp_path)
    for port in (6379, 6380):
        (tmp_path / f"{port}.yaml").write_text(STACK.format(port=port))
    return World(FakeCluster(), tmp_path)


def test_jobs_that_are_ready_together_are_refused(world: World) -> None:
    """All of them: none is better than another, and nothing is submitted."""
    jobs = fan(3, resources={"compose": "6379.yaml"})
    other = FakeJob(name="other", resources={"compose": "6379.yaml", "mem_mb": 50})
    fine = FakeJob(name="fine", resources={"compose": "6380.yaml"})
    world.submit(*jobs, other, fine)
    assert world.failed == [*jobs, other]
    said = str(jobs[0].errors[0][0])
    assert "6379.yaml:5:5 services.store.readiness" in said
    assert "share the port 6379 of the service 'store': fan(i=0), fan(i=1), fan(i=2), other" in said
    assert "x-slurm.ports" in said
    assert [info.job for info in world.submitted] == [fine]
    assert world.calls_of("sbatch") == 1


def test_a_job_is_refused_while_another_one_has_the_port(world: World) -> None:
    """When that one has ended, the port is free; a job alone is only warned of."""
    first, second, third = fan(3, resources={"compose": "6379.yaml"})
    [placed] = world.submit(first)
    assert sum("clash at the port 6379" in text for text in world.said) == 1
    world.submit(second)
    assert world.failed == [second]
    assert "fan(i=0), fan(i=1)" in str(second.errors[0][0])
    world.finish(placed)
    world.look(asking=False)
    assert len(world.submit(third)) == 1


def test_jobs_that_have_their_nodes_alone_may_share_a_number(world: World) -> None:
    """They never meet; `--exclusive=user` lets jobs of one user meet."""
    alone = fan(2, resources={"compose": "6379.yaml", "slurm_extra": "--exclusive"})
    assert len(world.submit(*alone)) == 2
    users = [FakeJob(name=name, resources={"compose": "6380.yaml", "slurm_extra": "--exclusive=user"}) for name in "ab"]
    world.submit(*users)
    assert world.failed == users


def test_members_of_a_pack_share_the_service(world: World, tmp_path: Path) -> None:
    """One task, one store, one port."""
    (tmp_path / "map.yaml").write_text('rules: {"*": {compose: 6379.yaml, pack: 4, share_sidecars: true}}\n')
    packed = World(world.cluster, tmp_path, config="map.yaml")
    assert len(packed.submit(*fan(4))) == 4
    assert packed.calls_of("sbatch") == 1


def test_told_by_snakemake(local_workflow: Workflow) -> None:
    """With rule, file and line, before anything is submitted."""
    local_workflow.write(STACK.format(port=6379), "stacks/store.yaml")
    local_workflow.write("""
        rule all:
            input: "a.txt", "b.txt"
        rule ask:
            output: "{i}.txt"
            resources: compose="stacks/store.yaml"
            shell: "touch {output}"
        """)
    run = local_workflow.run("--jobs", "5", "--keep-going")
    assert run.returncode == 1
    assert run.stdout.count("stacks/store.yaml:5:5 services.store.readiness: jobs that may be on one node") == 2, (
        run.stdout
    )
    assert "rule ask(i=a)" in run.stdout
    assert local_workflow.submissions == 0
