"""What has to hold when all services have ended."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.core.supervisor.world import World, service


def asserted(name: str, body: str, wanted: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A service with assertions."""
    entry = service(name, body, **fields)
    entry["assert"] = wanted
    return entry


def test_assertions_that_hold_change_nothing(world: World) -> None:
    """Globs are relative to the job folder; the service's own log is one of its files."""
    wanted = {"exit_code": 0, "artifacts_contain": ["out/*.pt", "logs/app.log", "**/b.pt"], "max_duration_seconds": 60}
    code, job = world.run(
        asserted("app", "mkdir -p $HPC_COMPOSE_JOB_DIR/out; touch $HPC_COMPOSE_JOB_DIR/out/b.pt", wanted)
    )
    found = job.service("app")["assertions"]
    assert code == 0
    assert 0 <= found.pop("duration_seconds") < 20
    assert found == {
        "configured": True,
        "status": "passed",
        "expected_exit_code": 0,
        "artifacts_contain": wanted["artifacts_contain"],
        "max_duration_seconds": 60,
        "failures": [],
    }
    assert job.events("assertion_failed") == []


def test_a_service_without_assertions_has_none(world: World) -> None:
    _, job = world.run(service("app"))
    assert job.service("app")["assertions"] is None


@pytest.mark.parametrize(
    ("body", "wanted", "failure"),
    [
        ("true", {"exit_code": 3}, "it ended with 0 instead of 3"),
        ("true", {"artifacts_contain": ["*.pt", "logs/*"]}, "nothing in the job folder matches *.pt"),
        ("sleep 1.2", {"max_duration_seconds": 1}, "it took 1."),
    ],
)
def test_each_kind_of_assertion_fails_a_job_that_went_well(
    world: World, body: str, wanted: dict[str, Any], failure: str
) -> None:
    """Before artifacts are collected, so that their policy knows."""
    code, job = world.run(
        asserted("app", body, wanted),
        service("other"),
        artifacts={"collect": "on_failure", "bundles": {"default": ["logs/*"]}},
    )
    found = job.service("app")["assertions"]
    assert (code, job.state["job_status"], job.state["cause"], job.end["cause"], job.end["service"]) == (
        1, "FAILED", "assertion_failed", "assertion_failed", "app",
    )  # fmt: skip
    assert found["status"] == "failed"
    assert [text.startswith(failure) for text in found["failures"]] == [True]
    assert failure in job.end["message"]
    assert [(row["service"], row["failures"]) for row in job.events("assertion_failed")] == [("app", found["failures"])]
    assert job.order("assertion_failed", "artifacts_collected") == ["app:assertion_failed", "job:artifacts_collected"]


def test_an_expected_exit_code_is_no_failure_of_the_service(world: World) -> None:
    """Neither for its policy nor for those that wait for it."""
    code, job = world.run(
        asserted("app", "exit 3", {"exit_code": 3}, policy="restart_on_failure"),
        service("next", after={"app": "completed_successfully"}),
    )
    assert (code, job.service("app")["restart_count"], job.service("app")["status"]) == (0, 0, "exited")
    assert job.service("app")["assertions"]["status"] == "passed"


def test_an_ignored_failure_still_breaks_its_assertion(world: World) -> None:
    code, job = world.run(asserted("app", "exit 4", {"exit_code": 0}, policy="ignore"), service("main"))
    assert (code, job.end["cause"]) == (1, "assertion_failed")


def test_an_earlier_failure_stays_the_cause(world: World) -> None:
    """What does not hold is written down all the same; a service that never ran is not judged."""
    code, job = world.run(
        asserted("app", "exit 5", {"exit_code": 3}),
        asserted("late", "true", {"exit_code": 0}, after={"app": "completed_successfully"}),
    )
    assert (code, job.end["cause"]) == (5, "service_failed")
    assert job.service("app")["assertions"]["failures"] == ["it ended with 5 instead of 3"]
    assert job.service("late")["assertions"]["status"] == "skipped"


def test_a_service_that_was_not_started_fails_a_job_that_went_well(world: World) -> None:
    sidecar = asserted("side", "true", {"exit_code": 0}, lifecycle="sidecar", after={"main": "completed_successfully"})
    slow = service("gate", "sleep 60", lifecycle="sidecar")
    sidecar["depends_on"].append({"service": "gate", "condition": "service_completed_successfully"})
    code, job = world.run(service("main"), slow, sidecar)
    assert (code, job.end["message"]) == (1, "assertion failed: it was not started")


def test_a_cancelled_job_stays_cancelled(world: World) -> None:
    job = world.start(asserted("app", "echo up; sleep 60", {"exit_code": 0, "artifacts_contain": ["x"]}))
    job.until_status("app", "running")
    assert job.service("app")["assertions"]["status"] == "not_evaluated"
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert (job.end["cause"], job.service("app")["assertions"]["status"]) == ("cancelled", "failed")


def test_restarts_count_for_the_duration(world: World) -> None:
    body = "mkdir $HPC_COMPOSE_JOB_DIR/a 2>/dev/null && exit 1; exit 0"
    wanted = {"max_duration_seconds": 1}
    code, job = world.run(asserted("app", body, wanted, policy="restart_on_failure", backoff_s=1.3))
    assert (code, job.end["cause"]) == (1, "assertion_failed")
