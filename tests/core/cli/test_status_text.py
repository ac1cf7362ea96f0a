"""What `hpcc status` says of a job."""

from __future__ import annotations

from typing import Any

import pytest

from compose_core.cli.output import Output
from compose_core.cli.status import print_status
from compose_core.cli.status_report import first_failure, ps_report, status_report, walltime
from compose_core.job_state import JobState
from compose_core.records.state import ServiceState
from compose_core.tracking.queue_details import QueueDetails
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot
from tests.core.insight.runs import record


def shot(state: JobState = JobState.RUNNING, **fields: Any) -> JobSnapshot:
    """A job that started at 110 and is looked at at 200."""
    given: dict[str, Any] = {"source": "state", "observed_at": 200.0, "submitted_at": 100.0, "started_at": 110.0}
    return JobSnapshot(record=record(), state=state, **{**given, **fields})


def service(**fields: Any) -> ServiceSnapshot:
    """The service `worker`."""
    state = ServiceState(**{"service_name": "worker", "status": "running", **fields})
    return ServiceSnapshot(name="worker", status="running", state=state, log_path="/nowhere/worker.log")


def text_of(capsys: pytest.CaptureFixture[str], snapshot: JobSnapshot, details: QueueDetails | None = None) -> str:
    print_status(Output(), snapshot, details)
    return capsys.readouterr().out


def test_the_failure_policy_stands_on_one_line_with_its_counters(capsys: pytest.CaptureFixture[str]) -> None:
    """Restarts since the start, failures within the window, the last exit code."""
    worker = service(
        failure_policy_mode="restart_on_failure",
        restart_count=1,
        max_restarts=5,
        restart_failures_in_window=1,
        max_restarts_in_window=3,
        window_seconds=60,
        last_exit_code=42,
    )
    line = "state service 'worker': failure_policy=restart_on_failure restarts=1/5 window=1/3@60s last_exit=42\n"
    assert line in text_of(capsys, shot(services=(worker,)))


def test_a_waiting_job_says_why_from_when_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    """Slurm's word and plain ones."""
    job = shot(JobState.PENDING, reason="BeginTime", started_at=None, expected_start_at=800.0)
    text = text_of(capsys, job, QueueDetails(eligible_at=500.0))
    assert "reason      BeginTime: its earliest start is not reached" in text
    assert ", in 5m00s\n" in text
    assert ", in 10m00s, as Slurm expects\n" in text


def test_the_time_limit_is_told_with_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a job that is over, with what was used."""
    assert "00:03:00, 50% used, 1m30s left\n" in text_of(capsys, shot(time_limit_s=180))
    over = shot(JobState.COMPLETED, time_limit_s=180, ended_at=155.0, terminal=True)
    assert "00:03:00, 25% used\n" in text_of(capsys, over)
    assert walltime(over) == {"used_s": 45.0, "limit_s": 180, "remaining_s": None}


def test_a_service_with_several_tasks_says_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """One with a single task says nothing of it."""
    many = service(placement_mode="distributed", nodes=2, ntasks=4, ntasks_per_node=2, nodelist="n[1-2]")
    text = text_of(capsys, shot(services=(many,)))
    assert "placement service 'worker': mode=distributed nodes=2 ntasks=4 ntasks_per_node=2 nodelist=n[1-2]\n" in text
    assert "placement" not in text_of(capsys, shot(services=(service(nodes=1, ntasks=1),)))


def test_the_first_failure_is_told_also_when_a_restart_made_it_good() -> None:
    """With its node and task."""
    late = service(first_failure_at=150.0, first_failure_exit_code=9)
    early = service(first_failure_at=140.0, first_failure_exit_code=42, first_failure_node="n2", first_failure_rank=3)
    found = first_failure(shot(services=(late, early)))
    assert found is not None
    assert (found["exit_code"], found["node"], found["rank"]) == (42, "n2", 3)
    assert first_failure(shot(services=(service(),))) is None


def test_a_log_that_is_not_there_is_told_as_that() -> None:
    """In both reports."""
    job = shot(services=(service(started_at=120.0),))
    report = status_report(job, QueueDetails())
    assert report["services"][0]["present"] is False
    assert report["services"][0]["duration_seconds"] == 80.0
    assert report["batch_log"]["present"] is False
    assert ps_report(job)["services"] == report["services"]
    assert "record" not in ps_report(job)
