"""Runs looked at again, beside what their supervisors said while they ran."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from compose_core.insight.timeline import Timeline
from compose_core.operations import find_job
from compose_core.watch.run_history import RunHistory
from tests.jobs.project import Project
from tests.jobs.terminal import TMUX, WHY_NOT, Terminal

EVENTFUL = """
    name: eventful
    runtime: {backend: host}
    x-slurm: {stop_grace_seconds: 5}
    services:
      db:
        script: "echo db is up; sleep 600"
        readiness: {type: log, pattern: db is up}
        x-slurm: {lifecycle: sidecar}
      flaky:
        script: |
          echo "try $HPC_COMPOSE_SERVICE_NAME"; sleep 1
          test -e "$HPC_COMPOSE_JOB_DIR/tried" || { touch "$HPC_COMPOSE_JOB_DIR/tried"; exit 7; }
        depends_on: {db: {condition: service_healthy}}
        x-slurm: {failure_policy: {mode: restart_on_failure, max_restarts: 2, backoff_seconds: 1}}
      careless:
        script: "sleep 0.3; exit 5"
        x-slurm: {failure_policy: {mode: ignore}}
      last:
        script: "sleep 1; exit 3"
        depends_on: {flaky: {condition: service_completed_successfully}}
"""
SHOWN = ("status", "restart_count", "last_exit_code", "last_signal", "launcher_pid")


def states_until_the_end(project: Project, job: str, timeout: float = 90) -> list[dict[str, Any]]:
    """Every `state.json` that could be caught."""
    caught: list[dict[str, Any]] = []
    deadline = time.monotonic() + timeout
    while not caught or caught[-1]["job_status"] == "RUNNING":
        assert time.monotonic() < deadline
        state = project.state(job)
        if state and (not caught or state["updated_at"] != caught[-1]["updated_at"]):
            caught.append(state)
        time.sleep(0.02)
    return caught


def is_settling(service: dict[str, Any]) -> bool:
    """Its process has ended, and on Slurm the supervisor waits a moment before it says what that means."""
    return service["launcher_pid"] == 0 and service["status"] in ("starting", "running", "ready")


def moment(timeline: Timeline, at: float) -> dict[str, dict[str, Any]]:
    """The services as `state.json` would tell them."""
    names = ("status", "restart_count", "last_exit_code", "last_signal", "pid")
    frame = timeline.at(at)
    return {
        service.name: dict(zip(SHOWN, (getattr(service, name) for name in names), strict=True))
        for service in frame.services
    }


def test_every_moment_is_what_the_supervisor_said_then(project: Project) -> None:
    """State by state, from the events alone; and the report is what its schema promises."""
    project.write(EVENTFUL)
    job = project.submit()
    caught = states_until_the_end(project, job)
    project.wait(lambda: project.events(job, "finished"), "the last event is written")
    history = RunHistory(find_job(project.folder, job))
    assert (history.timeline.fidelity, history.notes) == ("exact", [])
    compared = 0
    for state in caught:
        shown = moment(history.timeline, state["updated_at"] + 0.0006)  # times of events are rounded to milliseconds
        for service in state["services"]:
            if not is_settling(service):
                told = {key: service[key] for key in SHOWN}
                assert shown[service["service_name"]] == told, (state["updated_at"], service["service_name"])
                compared += 1
    assert compared > 20
    report = project.json("replay", "--job-id", job)
    assert report["frames"][-1]["job_status"] == "FAILED"
    assert [event["kind"] for event in report["events"] if event["service"] == "flaky"] == [
        *("started", "exited", "backoff", "restarted", "exited"),
    ]
    assert {service["service_name"]: service["status"] for service in report["frames"][-1]["services"]} == {
        "db": "stopped",
        "flaky": "exited",
        "careless": "exited",
        "last": "failed",
    }


def test_without_its_events_the_same_run_is_inferred(tmp_path: Path) -> None:
    """What cannot be inferred is little: the end is the same, and every service was up about when it was."""
    project = Project(tmp_path / "project", "local")
    project.write(EVENTFUL)
    job = project.up(code=None)["job_id"]
    exact = RunHistory(find_job(project.folder, job)).timeline
    (project.job_dir(job) / "events.jsonl").unlink()
    history = RunHistory(find_job(project.folder, job))
    inferred = history.timeline
    assert inferred.fidelity == "best-effort"
    assert any("inferred" in note for note in history.notes)
    assert [s[:5] for s in inferred.at(inferred.end).services] == [s[:5] for s in exact.at(exact.end).services]
    count = int(exact.end - exact.begin) * 10
    moments = [exact.begin + 0.1 * number for number in range(count)]
    same = [
        [s.name for s in exact.at(at).services if s.status == s2_status]
        for at in moments
        for s2_status in ("ready", "exited")
    ]
    others = [
        [s.name for s in inferred.at(at).services if s.status == s2_status]
        for at in moments
        for s2_status in ("ready", "exited")
    ]
    assert sum(one == other for one, other in zip(same, others, strict=True)) > 0.9 * len(same)
    text = project.hpcc("replay", "--no-tui", "--job-id", job)
    assert "(inferred)" in text.stdout
    assert "note: " in text.stderr


@pytest.mark.skipif(TMUX is None, reason=WHY_NOT)
def test_the_view_plays_stops_and_jumps(tmp_path: Path) -> None:
    """On a real terminal, which is as before afterwards; no scheduler is there to be asked."""
    project = Project(tmp_path / "project", "local")
    project.write(EVENTFUL)
    job = project.up(code=None)["job_id"]
    started = project.events(job, "started")
    with Terminal(project, width=110, height=30) as terminal:
        settings, modes = terminal.settings(), terminal.modes
        terminal.hpcc("replay", "--speed", "0.5")
        terminal.wait(lambda screen: "REPLAY" in screen and "▶ 0.5x" in screen)
        terminal.press("Space", "Home")
        terminal.wait(lambda screen: "‖" in screen and "event 1 of" in screen)
        terminal.press("]", "]")
        terminal.wait(f"event 3 of {len(project.events(job)) + 1}: {started[0]['service']} started")
        terminal.press("[")
        terminal.wait("event 2 of")
        terminal.press("+")
        terminal.wait("‖ 1x")
        terminal.press("End")
        terminal.wait(lambda screen: "FAILED (exit 3)" in screen and "1 failed" in screen)
        terminal.press("/", "f", "l", "Enter")
        terminal.wait(lambda screen: "services (1 of 4) /fl" in screen and "try flaky" in screen)
        terminal.press("q")
        terminal.wait("status=0")
        assert not terminal.is_alternate()
        assert terminal.modes == modes
        assert terminal.settings() == settings


def test_no_scheduler_is_asked(tmp_path: Path) -> None:
    """Not even whether a submission is settled: the programs of the cluster would leave a trace."""
    project = Project(tmp_path / "project", "local")
    project.write("runtime: {backend: host}\nservices: {web: {command: echo hello}}\n")
    job = project.up()["job_id"]
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sstat", "srun"):
        (tools / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/asked\nexit 1\n")
        (tools / name).chmod(0o755)
    project.environment["PATH"] = f"{tools}:{project.environment['PATH']}"
    record = project.folder / f".hpc-compose/jobs/{job}.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "backend": "slurm"}))
    project.engine = "slurm"
    for words in (("--no-tui",), ("--format", "json"), ("--at", "0s", "--service", "web")):
        project.hpcc("replay", "--job-id", job, *words)
    assert not (tmp_path / "asked").exists()
