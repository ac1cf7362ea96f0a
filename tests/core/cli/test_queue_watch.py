"""What `up --watch-queue` tells of a job that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cli.main import run
from compose_core.cli.queue_watch import QueueTalk, QueueWatching, wait_in_queue
from compose_core.cli.tools import Tools
from compose_core.records.job_record import JobRecord
from compose_core.testing import FakeCluster
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.monitor.world import snapshot
from tests.core.tracking.world import World

NOW = 1_800_000_000.0


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    """Job 7, submitted ten minutes ago."""
    return World(tmp_path).record


def waiting(record: JobRecord, at: float = 0, **fields: object) -> JobSnapshot:
    """The job in the queue, so many seconds after its submission."""
    given = {"reason": "Resources", "submitted_at": NOW, "observed_at": NOW + at, **fields}
    return snapshot(record, "PENDING", **given)


def test_states_reasons_and_expected_starts_are_told_when_they_change(record: JobRecord) -> None:
    """A look that shows nothing new says nothing."""
    talk = QueueTalk(QueueWatching(0), cancel="hpcc cancel")
    assert list(talk.lines(waiting(record))) == [
        "queue: job 7 is PENDING: Resources (the resources that it asks for are not free at the moment)"
    ]
    assert list(talk.lines(waiting(record, 10))) == []
    (first,) = talk.lines(waiting(record, 20, expected_start_at=NOW + 770))
    assert first.startswith("queue: expected start 20")
    assert first.endswith(", in 12m30s")
    assert list(talk.lines(waiting(record, 30, expected_start_at=NOW + 790))) == []
    assert len(list(talk.lines(waiting(record, 30, expected_start_at=NOW + 990)))) == 1
    (held,) = talk.lines(waiting(record, 40, reason="JobHeldUser", expected_start_at=NOW + 990))
    assert held.endswith("it will not start by itself)")
    (begun,) = talk.lines(snapshot(record, "RUNNING", submitted_at=NOW, started_at=NOW + 185, nodelist="n1"))
    assert begun == "queue: job 7 is RUNNING after 3m05s on n1"


def test_a_long_wait_is_warned_of_once(record: JobRecord) -> None:
    """With the way out; never with 0."""
    talk = QueueTalk(QueueWatching(60), cancel="hpcc cancel --job-id 7")
    lines = [line for at in (0, 59, 60, 120) for line in talk.lines(waiting(record, at))]
    assert lines[1:] == ["warning: job 7 has waited for 1m00s; `hpcc cancel --job-id 7` ends it"]
    quiet = QueueTalk(QueueWatching(0), cancel="")
    assert len([line for at in (0, 99999) for line in quiet.lines(waiting(record, at))]) == 1


def test_a_scheduler_that_is_silent_is_told_of_once_and_ends_no_waiting(record: JobRecord) -> None:
    """The job keeps its place."""
    talk = QueueTalk(QueueWatching(0), cancel="")
    list(talk.lines(waiting(record)))
    silent = snapshot(record, "UNREACHABLE", submitted_at=NOW)
    lines = [line for _ in range(3) for line in talk.lines(silent, trouble="Connection refused")]
    assert lines == ["queue: the scheduler does not answer (Connection refused); the job keeps its place"]
    assert list(talk.lines(waiting(record))) == []


def test_waiting_ends_when_the_job_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the fake cluster, through the real engine."""
    cluster = FakeCluster(auto_start=False)
    world = World(tmp_path)
    job = cluster.add_job(token=world.record.submission_token)
    record = world.add(str(job.number))
    slept = cluster.clock.sleep

    def sleep(seconds: float) -> None:
        slept(seconds)
        if cluster.clock.slept_s > 20 and job.state == "PENDING":
            cluster.start(str(job.number))

    cluster.clock.sleep = sleep  # type: ignore[method-assign]
    tools = Tools.of(output_format="text", engine="slurm", quiet=False)
    tools.__dict__["site"] = cluster.site(tmp_path)
    wait_in_queue(tools, record, QueueWatching(0), cancel="")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"queue: job {job.number} is PENDING")
    assert lines[-1].startswith(f"queue: job {job.number} is RUNNING after ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--queue-warn-after", "5m"],
        ["up", "--watch-queue", "--queue-warn-after", "soon"],
        ["up", "--watch-queue", "--detach"],
        ["submit", "--watch-queue"],
    ],
)
def test_options_that_contradict_each_other_are_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is submitted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text("runtime: {backend: host}\nservices: {a: {command: 'true'}}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run([*arguments, "--engine", "local"]) == 2
    assert not (tmp_path / ".hpc-compose").exists()
