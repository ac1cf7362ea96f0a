"""Which jobs nobody waits for any more, and how they are ended."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.models.connection import Connection

from airflow_provider_hpccompose import cli
from airflow_provider_hpccompose.doors import JobHandle, LocalDoor, SubmitRequest
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError
from airflow_provider_hpccompose.orphans import ActiveJob, TaskFacts, active_jobs, end_orphans
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepReport
from compose_core import SystemClock
from tests.airflow.fake_door import FakeDoor

pytestmark = pytest.mark.adapters

NOW = 10_000.0


def submit(door: FakeDoor, task_id: str = "train", generation: int = 1, **labels: str) -> JobHandle:
    """A job of this Airflow."""
    told = {
        "instance": "ours", "dag_id": "dag", "run_id": "run", "task_id": task_id, "map_index": "-1",
        "generation": str(generation), **labels,
    }  # fmt: skip
    handle = door.submit(SubmitRequest(key=f"af-{task_id}-g{generation}-1", labels=told))
    door.set_state(handle, "RUNNING")
    return handle


def facts(state: str | None, operator: str = "HpcComposeOperator", run_state: str = "running") -> TaskFacts:
    """What Airflow says of a task."""
    return TaskFacts(state=state, operator=operator, run_state=run_state)


def look(door: FakeDoor, task: TaskFacts | None, older_than_s: float = 600.0) -> list[ActiveJob]:
    """All active jobs, whose tasks are all like this."""
    return active_jobs(door, instance="ours", task_of=lambda labels: task, now=NOW, older_than_s=older_than_s)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (facts("failed"), "its task is over (failed)"),
        (facts("skipped"), "its task is over (skipped)"),
        (facts("success"), "its task is over (success)"),
        (facts("failed", "HpcComposeSubmitOperator"), "its task is over (failed)"),
        (facts(None, run_state="failed"), "its task was cleared and its run does not go on"),
        (None, "its task instance is gone"),
        (facts("success", "HpcComposeSubmitOperator"), ""),
        (facts(None), ""),
        (facts("deferred"), ""),
        (facts("queued"), ""),
        (facts("up_for_retry"), ""),
    ],
)
def test_a_job_is_an_orphan_when_its_task_has_let_go_of_it(task: TaskFacts | None, why: str) -> None:
    """A job that was submitted to outlive its task, or that a next try will find, is none."""
    door = FakeDoor()
    submit(door)
    (job,) = look(door, task)
    assert job.orphan == why


def test_a_job_whose_task_has_a_newer_one_since_a_clear_is_an_orphan() -> None:
    """The newer one is not."""
    door = FakeDoor()
    submit(door, generation=1)
    submit(door, generation=3)
    assert [job.orphan for job in look(door, facts("deferred"))] == ["its task was cleared and has a newer job", ""]


@pytest.mark.parametrize("label", [{"on_kill": "keep"}, {"on_clear": "keep"}])
def test_a_job_that_is_to_go_on_is_left_alone(label: dict[str, str]) -> None:
    """As its operator was told."""
    door = FakeDoor()
    submit(door, generation=1, **label)
    submit(door, generation=3)
    task = facts("failed") if "on_kill" in label else facts("deferred")
    assert look(door, task)[0].orphan == ""


def test_young_jobs_are_no_orphans_yet() -> None:
    """Between a submission and what Airflow says of its task lies a moment."""
    door = FakeDoor()
    submit(door)
    assert look(door, facts("failed"), older_than_s=NOW)[0].orphan == ""


def test_jobs_of_another_airflow_and_jobs_that_are_over_are_not_its_business() -> None:
    """Two of them may use one cluster."""
    door = FakeDoor()
    submit(door, "other", instance="theirs")
    door.set_state(submit(door, "done"), "COMPLETED")
    assert look(door, None) == []


def test_only_orphans_are_ended_and_each_is_looked_at_once_more() -> None:
    """A new try may have begun in the meantime."""
    door = FakeDoor()
    orphan, revived = submit(door, "orphan"), submit(door, "revived")
    jobs = look(door, facts("failed"))
    later = {"orphan": facts("failed"), "revived": facts("running")}

    def now(labels: Mapping[str, str]) -> TaskFacts | None:
        return later[labels["task_id"]]

    ended = {job.labels["task_id"]: job.outcome for job in end_orphans(door, jobs, task_of=now)}
    assert ended == {"orphan": "cancelled", "revived": "left alone: its task has just changed"}
    assert door.cancelled == [orphan.job_id]
    assert revived.job_id not in door.cancelled


def test_nothing_is_ended_that_nobody_can_see() -> None:
    """Its state may be an old one."""
    door = FakeDoor()
    submit(door)
    jobs = look(door, facts("failed"))
    unseen = [replace(job, report=door._unreachable(job.handle)) for job in jobs]
    (job,) = end_orphans(door, unseen, task_of=lambda labels: facts("failed"))
    assert "does not answer" in job.outcome
    assert door.cancelled == []


@pytest.mark.parametrize(("dry_run", "cancelled"), [(True, []), (False, ["41"])])
def test_the_command_prints_what_it_did_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dry_run: bool, cancelled: list[str]
) -> None:
    """For whoever runs it by a timer."""
    door = FakeDoor()
    handle = submit(door)
    door.jobs[handle.key] = replace(handle, submitted_at=SystemClock().now() - 3600)
    monkeypatch.setattr(cli, "door_in_database", lambda conn_id: door)
    monkeypatch.setattr("airflow_provider_hpccompose.operators.connected.instance_id", lambda: "ours")
    monkeypatch.setattr(cli, "task_in_database", lambda labels: facts("failed"))
    cli.reap(Namespace(conn_id=None, older_than=0.0, dry_run=dry_run, format="json"))
    report = json.loads(capsys.readouterr().out)
    assert [(job["job_id"], job["is_orphan"], job["task_state"]) for job in report["jobs"]] == [("41", True, "failed")]
    assert door.cancelled == cancelled


def test_an_unreachable_cluster_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no answer to the question which jobs there are."""
    door = FakeDoor()
    door.is_reachable = False
    monkeypatch.setattr(cli, "door_in_database", lambda conn_id: door)
    with pytest.raises(SystemExit) as exit_code:
        cli.status(Namespace(conn_id=["hpc"], older_than=0.0, format="text"))
    assert exit_code.value.code == 4
    assert "hpc: " in capsys.readouterr().err


def test_the_command_reads_connections_where_airflow_keeps_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A task asks the API server for them; a command has none to ask, and would see those of the environment only."""
    kept = Connection(conn_id="kept", conn_type="hpccompose", extra=json.dumps({"workspace": str(tmp_path / "here")}))
    monkeypatch.setattr(Connection, "get_connection_from_secrets", classmethod(lambda cls, conn_id: kept))
    door = cli.door_in_database("kept")
    assert isinstance(door, LocalDoor)
    assert door.workspace == tmp_path / "here"


def test_a_missing_connection_is_one_line_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack of calls says nothing to whoever mistyped a name."""

    def opened(conn_id: str) -> FakeDoor:
        if conn_id == "nope":
            raise HpcComposeConnectionError("There is no connection 'nope'")
        return FakeDoor()

    monkeypatch.setattr(cli, "door_in_database", opened)
    with pytest.raises(SystemExit) as exit_code:
        cli.status(Namespace(conn_id=["nope", "hpc"], older_than=0.0, format="json"))
    assert exit_code.value.code == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["jobs"] == []
    assert captured.err.strip() == "nope: There is no connection 'nope'"


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90.0), ("10m", 600.0), ("2h", 7200.0), ("1d", 86400.0), ("5", 5.0)]
)
def test_durations_are_written_as_people_write_them(text: str, expected: float) -> None:
    """And anything else is refused."""
    assert cli.seconds(text) == expected
    with pytest.raises(ValueError, match="no duration"):
        cli.seconds(f"{text} weeks")


def test_the_commands_are_there_without_airflows_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1 takes none from providers."""
    asked: list[Namespace] = []
    monkeypatch.setattr(cli, "reap", asked.append)
    cli.main(["reap", "--conn-id", "a", "--conn-id", "b", "--older-than", "2h", "--dry-run"])
    (args,) = asked
    assert (args.conn_id, args.older_than, args.dry_run, args.format) == (["a", "b"], 7200.0, True, "text")


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (facts("failed", "HpcComposeSweepSubmitOperator"), "its task is over (failed)"),
        (facts("success", "HpcComposeSweepSubmitOperator"), ""),
        (facts("running", "HpcComposeSweepSubmitOperator"), ""),
        (None, "its task instance is gone"),
    ],
)
def test_a_sweep_is_listed_in_numbers_and_ended_as_a_whole(task: TaskFacts | None, why: str) -> None:
    """Its arrays are no jobs of a key; the sweep is."""
    door = FakeDoor()
    labels = {
        "instance": "ours", "dag_id": "dag", "run_id": "run", "task_id": "submit", "map_index": "-1",
        "generation": "1", "kind": "sweep",
    }  # fmt: skip
    sweep = SweepHandle(sweep_id="s1", key="af-s-g1", project_dir="/p", jobs=["41", "42"], submitted_at=1.0)
    report = SweepReport(sweep_id="s1", total=3, is_over=False, summary={"completed": 1, "running": 2})
    door.sweeps["af-s-g1"] = (sweep, report, labels)
    (job,) = end_orphans(door, look(door, task), task_of=lambda labels: task)
    told = job.as_json()
    assert (told["sweep_id"], told["job_id"], told["state"]) == ("s1", "41,42", "1 completed, 2 running of 3")
    assert (told["why"], told["outcome"]) == (why, "cancelled" if why else "")
    assert door.cancelled == (["s1"] if why else [])
    assert "find" not in door.calls
