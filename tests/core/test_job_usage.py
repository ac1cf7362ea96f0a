"""Usage of tracked jobs over a fake cluster: what is asked, how often, and what an answer that is missing means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.cluster.runner import Finished
from compose_core.cluster.site import Site
from compose_core.job_usage import UsageQuestion, read_usage
from compose_core.records.job_record import JobRecord
from compose_core.testing import Ending, FakeCluster
from compose_core.testing.fake_cluster import Settings
from tests.core.tracking.world import TOKEN, World

MIB = 1024 * 1024


class Ran:
    """A job that ran for 100 s on the fake cluster, with its record."""

    def __init__(self, tmp_path: Path, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.folder = tmp_path
        self.site: Site = cluster.site(tmp_path)

    def job(self, number: int = 0) -> JobRecord:
        """One more job."""
        token = f"{TOKEN[:-2]}{number:02d}"
        root = self.folder / f"root{number}"
        root.mkdir()
        world = World(root)
        script = world.project.project_dir / "job.sbatch"
        script.write_text("#!/bin/bash\n#SBATCH --job-name=train\ntrue\n")
        argv = ["sbatch", "--parsable", f"--comment=hpcc:v1:{token}", str(script), f"claim:{token}"]
        said = self.cluster.run(argv, timeout_s=60, cwd=script.parent)
        assert isinstance(said, Finished)
        self.cluster.clock.sleep(2)
        job = self.cluster.job(said.stdout.strip())
        job.total_cpu_s, job.max_rss_bytes = 50.0, 300 * MIB
        return world.add(said.stdout.strip(), token, submitted_at=job.submitted_at)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(ending=Ending(after_s=100), settings=Settings(start_delay_s=0.5))


@pytest.fixture
def ran(tmp_path: Path, cluster: FakeCluster) -> Ran:
    return Ran(tmp_path, cluster)


def test_one_sacct_tells_of_all_jobs(ran: Ran) -> None:
    records = [ran.job(number) for number in range(3)]
    ran.cluster.clock.sleep(400)
    before = ran.cluster.programs_run.count("sacct")
    readings = read_usage(ran.site, records, UsageQuestion(say=pytest.fail))
    assert ran.cluster.programs_run.count("sacct") - before <= 2, "one for the states, one for the usage"
    for reading in readings:
        usage = reading.usage
        assert (usage.cpu.basis, usage.cpu.used_s) == ("accounting", 50)
        assert usage.cpu.efficiency == pytest.approx(0.5, abs=0.05)
        assert (usage.memory.peak_bytes, usage.memory.allocated_bytes) == (300 * MIB, 1000 * MIB)


def test_an_accounting_that_lags_is_asked_once_more(tmp_path: Path) -> None:
    """30 s later, told before; skipped when nobody wants to wait."""
    cluster = FakeCluster(ending=Ending(after_s=100), settings=Settings(start_delay_s=0.5, accounting_lag_s=20))
    ran = Ran(tmp_path, cluster)
    record = ran.job()
    cluster.clock.sleep(103)
    told: list[str] = []
    began = cluster.clock.monotonic()
    (hasty,) = read_usage(ran.site, [record], UsageQuestion())
    assert cluster.clock.monotonic() - began < 5
    assert hasty.usage.cpu.used_s is None
    assert any("has not heard" in note for note in hasty.usage.notes)
    (patient,) = read_usage(ran.site, [record], UsageQuestion(say=told.append))
    assert cluster.clock.monotonic() - began > 30
    assert patient.usage.cpu.used_s == 50
    assert len(told) == 1
    assert "30 s" in told[0]


def test_an_accounting_that_is_a_moment_behind_costs_a_moment(tmp_path: Path) -> None:
    """As it most often is."""
    cluster = FakeCluster(ending=Ending(after_s=100), settings=Settings(start_delay_s=0.5, accounting_lag_s=3))
    ran = Ran(tmp_path, cluster)
    record = ran.job()
    cluster.clock.sleep(100)
    began = cluster.clock.monotonic()
    told: list[str] = []
    (reading,) = read_usage(ran.site, [record], UsageQuestion(say=told.append))
    assert reading.usage.cpu.used_s == 50
    assert len(told) == 1
    assert 3 < cluster.clock.monotonic() - began < 6


@pytest.mark.parametrize(
    ("accounting", "kind", "note"),
    [("disabled", "disabled", "keeps no accounting"), ("down", "unreachable", "unknown, not zero")],
)
def test_an_accounting_that_says_nothing_leaves_figures_unknown(
    ran: Ran, accounting: str, kind: str, note: str
) -> None:
    """And no time is spent waiting for it."""
    record = ran.job()
    ran.cluster.clock.sleep(103)
    ran.cluster._accounting = accounting  # type: ignore[assignment]
    began = ran.cluster.clock.monotonic()
    (reading,) = read_usage(ran.site, [record], UsageQuestion(say=pytest.fail))
    assert ran.cluster.clock.monotonic() - began < 25
    assert reading.accounting_fault is not None
    assert reading.accounting_fault.kind == kind
    assert (reading.usage.cpu.used_s, reading.usage.cpu.efficiency, reading.usage.memory.peak_bytes) == (None,) * 3
    assert any(note in text for text in reading.usage.notes)


def test_samples_are_read_as_they_are(ran: Ran) -> None:
    """A torn line, a foreign one, a link out of the folder: skipped or told, never followed."""
    record = ran.job()
    metrics = Path(record.job_dir) / "metrics"
    metrics.mkdir(parents=True)
    now = ran.cluster.clock.now()
    row = {"sampled_at": now, "node": "node1", "index": 0, "uuid": "GPU-0", "utilization_gpu": 50}
    (metrics / "gpu.jsonl").write_text(
        f"{json.dumps(row)}\nnoise\n[1]\n{json.dumps({**row, 'sampled_at': now + 5})[:-9]}"
    )
    secret = ran.folder / "secret.jsonl"
    secret.write_text(json.dumps({"sampled_at": now, "node": "leaked"}) + "\n")
    (metrics / "cpu.jsonl").symlink_to(secret)
    (reading,) = read_usage(ran.site, [record], UsageQuestion(accounting=False))
    assert reading.source == "sampler"
    assert reading.usage.samples is not None
    assert [gpu.samples for gpu in reading.usage.samples.gpus] == [1]
    assert reading.usage.samples.nodes == ()
    assert any("cpu.jsonl" in note for note in reading.usage.notes)
