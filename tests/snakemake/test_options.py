"""Options of Snakemake beside the executor's own: heeded, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.testing import FakeCluster
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.workflow import Workflow
from tests.snakemake.world import World

pytestmark = pytest.mark.adapters


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--immediate-submit", "--notemp"), "--hpccompose-on-exit detach"), (("--precommand", "true"), "shell.prefix")],
    ids=["immediate-submit", "precommand"],
)
def test_what_cannot_be_heeded_is_refused(local_workflow: Workflow, options: tuple[str, ...], says: str) -> None:
    """Before anything is submitted, with another way."""
    local_workflow.write('rule all:\n    output: "x"\n    shell: "touch {output}"\n')
    run = local_workflow.run("--jobs", "2", *options)
    assert run.returncode == 1
    assert f"{options[0]} is not supported by the executor hpccompose" in run.stdout, run.stdout
    assert says in run.stdout
    assert local_workflow.submissions == 0


def test_a_job_of_another_cluster_is_followed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource `clusters` goes to sbatch, and the queue of that cluster is asked."""
    monkeypatch.chdir(tmp_path)
    cluster = FakeCluster()
    world = World(cluster, tmp_path)
    [one] = world.submit(FakeJob(resources={"clusters": "fake", "runtime": 99999}))
    assert one.record.cluster == "fake"
    script = Path(cluster.jobs[0].command.split(" claim:")[0]).read_text(encoding="utf-8")
    assert "--clusters=fake" in script
    cluster.clock.advance(10)
    cluster.finish(one.external_id, state="TIMEOUT")
    for _ in range(12):
        world.look(after_s=60)
    assert world.failed == [one.ready.job]


def test_a_profile_scales_memory_by_attempt(local_workflow: Workflow) -> None:
    """As `rightsize.yaml` writes it for rules that ran out of memory."""
    local_workflow.write("set-resources:\n  one:\n    mem_mb: 100 * attempt\n", "profile/config.yaml")
    local_workflow.write("""
        rule one:
            output: "out.txt"
            retries: 1
            resources: mem_mb=50
            shell: "echo {resources.mem_mb} >> asked; test {resources.mem_mb} -ge 200 && touch {output}"
        """)
    run = local_workflow.run("--profile", "profile", "--jobs", "1", "out.txt")
    assert run.returncode == 0, run.stdout
    assert local_workflow.text("asked").split() == ["100", "200"]
