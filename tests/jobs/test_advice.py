"""What a job should ask for, how well it used what it had, and what differs between two: on both engines."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.jobs.project import Project

IDLE = """
    name: idle
    runtime: {{backend: host}}
    x-slurm: {{time: 01:00:00, mem: 2G, cpus_per_task: 4}}
    services:
      web:
        command: ["sh", "-c", "sleep 3; exit {code}"]
        environment: {{API_TOKEN: {token}, MODE: {mode}}}
"""


def suggestions(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["key"]: item for item in report["suggestions"]}


def test_an_idle_job_is_told_to_ask_for_less_and_a_failed_one_differs_from_it(project: Project) -> None:
    """The figures are those of the accounting, or of the local engine's own; secrets show in none of the answers."""
    project.write(IDLE.format(code=0, token="first-secret-1234", mode="a"))
    good = project.up()["job_id"]
    found = project.json("inspect", "--rightsize")
    asked = suggestions(found)
    keys = {"x-slurm.cpus_per_task", "x-slurm.time"} | ({"x-slurm.mem"} if project.engine == "slurm" else set())
    assert {key: item["direction"] for key, item in asked.items()} == dict.fromkeys(keys, "less")
    assert (asked["x-slurm.cpus_per_task"]["value"], asked["x-slurm.time"]["value"]) == (1, "00:05:00")
    if project.engine == "slurm":
        assert asked["x-slurm.mem"]["suggested"] <= 1024**3
    patch = project.write(found["yaml_patch"], "patch.yaml").read_text()
    assert "cpus_per_task: 1" in patch

    score = project.json("score", good)
    assert score["grade"] == "F"
    known = {part["name"]: part["available"] for part in score["components"]}
    assert known == {"gpu": False, "memory": True, "time": True, "cpu": True, "energy": False}

    project.write(IDLE.format(code=3, token="second-secret-567", mode="b"))
    bad = project.up(code=1)["job_id"]
    diff = project.json("diff", good, bad)
    assert {item["path"]: (item["left"], item["right"]) for item in diff["config_changes"]} == {
        "services.web.command": (["sh", "-c", "sleep 3; exit 0"], ["sh", "-c", "sleep 3; exit 3"]),
        "services.web.environment.MODE": ("a", "b"),
    }
    assert {"scheduler_state", "exit_code", "services.web.status"} <= {item["path"] for item in diff["outcome_changes"]}
    assert diff["resource_changes"] == []
    assert diff["right"]["first_failure"]["exit_code"] == 3
    assert project.json("inspect", "--rightsize", "--job-id", bad)["suggestions"] == [], "it broke off"

    project.json("diff", good, "--against-spec", "--fail-on-change", code=1)
    project.json("diff", bad, "--against-spec", "--fail-on-change")
    shown = [project.hpcc(*words).stdout for words in (["diff", good, bad], ["score", bad], ["inspect", "--rightsize"])]
    records = [path.read_text() for path in project.folder.glob(".hpc-compose/jobs/*.json")]
    assert not any(secret in text for secret in ("first-secret", "second-secret") for text in (*shown, *records))


def test_a_canary_measures_and_never_becomes_the_newest_job(project: Project) -> None:
    """Its seconds count from when its services are ready, and the advice is for the whole job."""
    project.write(
        """
        name: train
        runtime: {backend: host}
        x-slurm:
          time: 10:00:00
          mem: 8G
          cpus_per_task: 4
          resume: {path: %s}
          artifacts: {export_dir: out, paths: [/hpc-compose/job/*]}
        services:
          slow:
            command: ["sh", "-c", "sleep 2; echo ready; sleep 600"]
            readiness: {type: log, pattern: ready}
            assert: {exit_code: 0}
    """
        % (project.folder / "resume")
    )
    main = project.submit()
    project.hpcc("cancel", "--job-id", main)
    report = project.json("germinate", "--time", "2s")
    canary = report["job_id"]
    record = json.loads((project.folder / ".hpc-compose/latest-canary.json").read_text())
    assert (record["job_id"], record["kind"], record["name"]) == (canary, "canary", "train-canary")
    assert record["requests"]["mem_bytes"] == 1024**3
    assert json.loads((project.folder / ".hpc-compose/latest.json").read_text())["job_id"] == main
    assert project.json("status", code=None)["job_id"] == main
    state = project.state(canary)
    assert state["cause"] == "cancelled"
    assert state["finished_at"] - state["started_at"] >= 4, "two seconds of starting do not count"
    asked = suggestions(report["report"])
    if project.engine == "slurm":
        assert (asked["x-slurm.mem"]["requested"], asked["x-slurm.mem"]["direction"]) == (8 * 1024**3, "less")
    else:
        assert "x-slurm.mem" not in asked, "the largest process alone is known"
    assert (asked["x-slurm.cpus_per_task"]["requested"], asked["x-slurm.cpus_per_task"]["value"]) == (4, 1)
    assert "x-slurm.time" not in asked
    assert [path.name for path in (project.folder / "resume").iterdir()] == ["hpc-compose-canary"] or (
        json.loads((project.folder / "resume/_hpc-compose/latest.json").read_text())["job_id"] == main
    )


@pytest.mark.parametrize("engine", ["local"])
def test_an_interrupted_canary_is_cancelled(project: Project) -> None:
    """Nobody needs it any more, so nothing is asked; another interrupt leaves it."""
    project.write(IDLE.format(code=0, token="x", mode="a").replace("sleep 3", "sleep 600"))
    running = project.start("germinate")
    project.wait(lambda: project.service("1", "web").get("status") == "running", "the service")
    running.send_signal(signal.SIGINT)
    _, talk = running.communicate(timeout=60)
    assert (running.returncode, "canary 1 was cancelled" in talk) == (130, True), talk
    assert project.state("1")["cause"] == "cancelled"


@pytest.mark.parametrize("engine", ["local"])
def test_a_canary_that_takes_too_long_is_cancelled(project: Project) -> None:
    """Waiting in the queue counts."""
    project.write(IDLE.format(code=0, token="x", mode="a").replace("sleep 3", "sleep 600"))
    report = project.json("germinate", "--timeout", "2s", code=1)
    assert report["error"]["code"] == "canary-timeout"
    assert project.state("1")["cause"] == "cancelled"


@pytest.mark.parametrize("engine", ["local"])
def test_a_canary_that_fails_gives_no_advice(project: Project) -> None:
    """It says how to find out why."""
    project.write(IDLE.format(code=3, token="x", mode="a").replace("sleep 3", "sleep 1"))
    report = project.json("germinate", "--keep-requests", code=1)
    assert (report["yaml_patch"], report["report"]["state"]) == ("", "FAILED")


@pytest.mark.parametrize("engine", ["local"])
def test_a_dry_canary_submits_nothing(project: Project) -> None:
    """It says what it would ask for."""
    project.write(IDLE.format(code=0, token="x", mode="a"))
    report = project.json("germinate", "--dry-run")
    assert (report["dry_run"], report["job_id"]) == (True, None)
    assert not (project.folder / ".hpc-compose").exists()
    shown = project.hpcc("germinate", "--dry-run").stdout
    assert "2 GiB     1 GiB" in shown
    assert "01:00:00  00:06:00" in shown


def test_two_tasks_of_an_array_are_compared(project: Project) -> None:
    """By their own ids, and the array as a whole gets the advice for the task that needs most."""
    project.write("""
        name: many
        runtime: {backend: host}
        x-slurm: {time: 01:00:00, mem: 2G, cpus_per_task: 2, array: 0-1}
        services:
          one: {command: "sleep 2; exit $SLURM_ARRAY_TASK_ID"}
    """)
    job = project.up(code=1)["job_id"]
    diff = project.json("diff", f"{job}_0", f"{job}_1")
    assert {"exit_code", "services.one.last_exit_code"} <= {item["path"] for item in diff["outcome_changes"]}
    assert diff["config_changes"] == []
    found = project.json("inspect", "--rightsize", "--job-id", f"{job}_0")
    assert suggestions(found)["x-slurm.cpus_per_task"]["value"] == 1
    whole = project.json("inspect", "--rightsize", "--job-id", job)
    assert whole["suggestions"] == [], "one task failed, so nothing is known of what it would have needed"
    project.json("score", job)


@pytest.mark.parametrize("engine", ["local"])
@pytest.mark.parametrize("words", [["diff", "1"], ["diff", "1", "2", "--against-spec"], ["inspect", "--job-id", "1"]])
def test_half_a_question_is_a_usage_error(project: Project, words: list[str]) -> None:
    """With what is missing."""
    project.write(IDLE.format(code=0, token="x", mode="a"))
    assert project.json(*words, code=2)["error"]["exit_code"] == 2
