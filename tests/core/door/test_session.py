"""The door's verbs over a Slurm that exists only on a fake clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose_core import (
    DoorSession,
    EnvironmentProblem,
    JobState,
    SchedulerRefused,
    SchedulerUnreachable,
    SpecError,
    UsageError,
    find_job,
    observe,
)
from compose_core.door.reports import verdict_of
from compose_core.testing import FakeCluster, accept_then_timeout

SPEC = "runtime: {backend: host}\nservices:\n  app:\n    command: echo hi\n"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def session(cluster: FakeCluster, tmp_path: Path) -> DoorSession:
    return DoorSession(cluster.site(tmp_path), tmp_path / "workspace")


def asked(key: str = "af-1-1", **more: Any) -> dict[str, Any]:
    return {"key": key, "spec": SPEC, "project_dir": "dag", "preflight": "off", **more}


def test_a_key_is_submitted_once_whoever_asks_again(cluster: FakeCluster, tmp_path: Path) -> None:
    """A second session is another process: the key alone decides."""
    first = session(cluster, tmp_path).call("submit", asked())["job"]
    again = session(cluster, tmp_path).call("submit", asked())["job"]
    assert (again["job_id"], again["token"], again["attached"]) == (first["job_id"], first["token"], True)
    assert len(cluster.jobs) == 1


def test_a_key_stays_with_the_folder_it_was_submitted_from(cluster: FakeCluster, tmp_path: Path) -> None:
    """A DAG's files may lie elsewhere at the next try, and the job is still the same."""
    first = session(cluster, tmp_path).call("submit", asked())["job"]
    again = session(cluster, tmp_path).call("submit", asked(project_dir="elsewhere"))["job"]
    assert again["token"] == first["token"]
    assert len(cluster.jobs) == 1


def test_a_key_that_came_to_nothing_goes_where_the_files_lie_now(cluster: FakeCluster, tmp_path: Path) -> None:
    """The scheduler refused it; meanwhile the DAG's files have moved."""
    cluster.settings = replace(cluster.settings, accounts=frozenset({"lab"}))
    refused: dict[str, Any] = {"overrides": {"x-slurm": {"account": "nobody"}}}
    with pytest.raises(SchedulerRefused):
        session(cluster, tmp_path).call("submit", asked(**refused))
    job = session(cluster, tmp_path).call("submit", asked(project_dir="elsewhere"))["job"]
    assert job["project_dir"].endswith("/elsewhere")
    assert session(cluster, tmp_path).call("find", {"keys": ["af-1-1"]})["jobs"]["af-1-1"]["token"] == job["token"]


def test_keys_are_listed_with_their_labels(cluster: FakeCluster, tmp_path: Path) -> None:
    """Whoever looks for orphans asks no scheduler for this."""
    door = session(cluster, tmp_path)
    for key in ("af-aa-g1-1", "af-aa-g2-1", "af-bb-g1-1"):
        door.call("submit", asked(key, labels={"dag_id": key}))
    cluster.programs_run.clear()
    found = door.call("keys", {"prefix": "af-aa-"})["keys"]
    assert [(entry["key"], entry["labels"]) for entry in found] == [
        ("af-aa-g1-1", {"dag_id": "af-aa-g1-1"}),
        ("af-aa-g2-1", {"dag_id": "af-aa-g2-1"}),
    ]
    assert cluster.programs_run == []


def test_a_lost_answer_is_found_out_and_not_submitted_again(cluster: FakeCluster, tmp_path: Path) -> None:
    """`find` is what a retry asks first: it must see the job whose id nobody was told."""
    cluster.fail_next("sbatch", accept_then_timeout())
    session(cluster, tmp_path).call("submit", asked())
    assert session(cluster, tmp_path).call("find", {"keys": ["af-1-1", "af-2-1"]})["jobs"].keys() == {"af-1-1"}
    assert len(cluster.jobs) == 1


def test_an_invalid_spec_names_file_and_line_and_leaves_the_key_free(cluster: FakeCluster, tmp_path: Path) -> None:
    """A corrected file is submitted under the same key."""
    door = session(cluster, tmp_path)
    with pytest.raises(SpecError, match=r"dag\.train:4:5 services\.app\.comand"):
        door.call("submit", asked(spec=SPEC.replace("command", "comand"), spec_name="dag.train"))
    assert door.call("submit", asked())["job"]["attached"] is False


def test_overrides_extend_the_file_and_defaults_stand_behind_it(cluster: FakeCluster, tmp_path: Path) -> None:
    """The script shows what came of them."""
    door = session(cluster, tmp_path)
    more: dict[str, Any] = {
        "overrides": {"services": {"app": {"environment": {"LR": "0.1"}}}, "x-slurm": {"time": "00:05:00"}},
        "defaults": {"x-slurm": {"partition": "gpu", "time": "01:00:00"}},
        "environment": {"RUN": "r1"},
    }
    job = door.call("submit", asked(**more))["job"]
    script = door.call("script", {"job": job})["text"]
    assert "#SBATCH --partition=gpu" in script
    assert "#SBATCH --time=00:05:00" in script
    assert "LR" in script
    assert "RUN" in script


def test_one_look_at_many_jobs_is_one_queue_call(cluster: FakeCluster, tmp_path: Path) -> None:
    """What a thousand deferred tasks cost the controller."""
    door = session(cluster, tmp_path)
    jobs = [door.call("submit", asked(f"af-{number}-1"))["job"] for number in range(5)]
    cluster.programs_run.clear()
    reports = door.call("observe", {"jobs": jobs})["reports"]
    assert cluster.programs_run.count("squeue") <= 1
    assert [report["verdict"] for report in reports] == ["active"] * 5


def test_a_silent_scheduler_is_unreachable_and_no_end(cluster: FakeCluster, tmp_path: Path) -> None:
    door = session(cluster, tmp_path)
    job = door.call("submit", asked())["job"]
    cluster.stop_controller()
    cluster.clock.advance(30)
    report = door.call("observe", {"jobs": [job]})["reports"][0]
    assert (report["verdict"], report["is_over"]) == ("unreachable", False)
    with pytest.raises(SchedulerUnreachable):
        door.call("cancel", {"job": job})


def test_a_job_that_was_asked_to_end_is_told_as_such_until_it_has(cluster: FakeCluster, tmp_path: Path) -> None:
    """Also when the scheduler heard nothing of it: the job starts no service any more, and nobody should count on it."""
    cluster.settings = replace(cluster.settings, start_delay_s=3600.0)
    door = session(cluster, tmp_path)
    job = door.call("submit", asked())["job"]
    assert not door.call("observe", {"jobs": [job]})["reports"][0]["end_is_requested"]
    cluster.stop_controller()
    with pytest.raises(SchedulerUnreachable):
        door.call("cancel", {"job": job})
    cluster.start_controller()
    cluster.clock.advance(30)
    report = session(cluster, tmp_path).call("observe", {"jobs": [job]})["reports"][0]
    assert (report["is_over"], report["end_is_requested"]) == (False, True)
    report = door.call("cancel", {"job": job})["report"]
    assert (report["is_over"], report["end_is_requested"]) == (True, False)


def test_a_reused_job_id_is_another_job(cluster: FakeCluster, tmp_path: Path) -> None:
    """Jobs are told apart by token, because slurmctld gives ids again."""
    door = session(cluster, tmp_path)
    job = door.call("submit", asked())["job"]
    other = {**job, "token": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    report = session(cluster, tmp_path).call("observe", {"jobs": [other]})["reports"][0]
    assert (report["verdict"], report["is_over"]) == ("unknown", False)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("steal", {}),
        ("submit", {"key": "a b", "spec": SPEC}),
        ("submit", {"key": "a"}),
        ("submit", {"key": "a", "spec": SPEC, "surprise": 1}),
        ("put", {"folder": "../out", "files": []}),
        ("put", {"folder": "in", "files": [{"path": "../x", "sha256": "", "data": ""}]}),
        ("logs", {"job": {"project_dir": "relative", "job_id": "1", "token": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}}),
    ],
)
def test_what_makes_no_sense_is_refused(
    cluster: FakeCluster, tmp_path: Path, verb: str, arguments: dict[str, Any]
) -> None:
    """Nothing is guessed, and nothing is written outside of the workspace."""
    with pytest.raises(UsageError):
        session(cluster, tmp_path).call(verb, arguments)
    assert cluster.jobs == []


def test_a_folder_that_cannot_be_made_is_the_sites_fault_and_not_the_specs(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "dag").touch()
    with pytest.raises(EnvironmentProblem, match="Name a folder that you can write as workspace"):
        session(cluster, tmp_path).call("submit", asked())
    assert cluster.jobs == []


def test_a_job_whose_script_could_not_be_started_is_the_sites_failure(cluster: FakeCluster, tmp_path: Path) -> None:
    """Slurm calls it FAILED; the program never ran, and another try may do better."""
    door = session(cluster, tmp_path)
    job = door.call("submit", asked())["job"]
    snapshot = observe(door.site, [find_job(Path(job["project_dir"]), job["job_id"])])[0]
    failed = replace(snapshot, state=JobState.FAILED, terminal=True, reason="JobLaunchFailure")
    assert verdict_of(failed) == "infra"
    assert verdict_of(replace(failed, reason="NonZeroExitCode")) == "app_failed"
