"""How a job ends: cancel, time limit, teardown order, KILL, and what must survive all of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.core.supervisor.world import World, is_running, service

STUBBORN = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
GRACEFUL = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
DEAF = {"type": "log", "pattern": "^deaf$", "timeout_s": 20}
UP = {"type": "log", "pattern": "^up$", "timeout_s": 20}


def test_a_cancelled_job_stops_its_services_and_never_says_0(world: World) -> None:
    job = world.start(service("app", GRACEFUL, readiness=UP))
    job.until_status("app", "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.log("app").endswith("bye\n")
    assert (job.state["job_status"], job.state["cause"], job.state["job_exit_code"]) == ("CANCELLED", "cancelled", 143)
    assert (job.end["cause"], job.end["signal"]) == ("cancelled", signal.SIGTERM)
    assert (job.service("app")["status"], job.service("app")["last_exit_code"]) == ("stopped", 0)
    assert job.service("app")["completed_successfully"] is False


def test_an_interrupt_ends_with_130(world: World) -> None:
    job = world.start(service("app", "exec sleep 60"))
    job.until_status("app", "running")
    job.signal(signal.SIGINT)
    assert job.wait() == 130
    assert job.end["cause"] == "cancelled"


def test_a_hangup_ends_with_its_own_cause(world: World) -> None:
    job = world.start(service("app", "exec sleep 60"))
    job.until_status("app", "running")
    job.signal(signal.SIGHUP)
    assert job.wait() == 129
    assert (job.end["cause"], job.state["job_status"]) == ("signal", "CANCELLED")


def test_a_signal_that_comes_while_services_wait_leaves_them_skipped(world: World) -> None:
    job = world.start(service("first", "exec sleep 60"), service("next", after={"first": "completed_successfully"}))
    job.until_status("first", "running")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.service("next")["status"] == "skipped"


def test_a_service_that_ignores_term_is_killed_after_the_grace_time(world: World) -> None:
    job = world.start(service("deaf", STUBBORN, readiness=DEAF), stop_grace_s=0.3)
    job.until_status("deaf", "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.order("stopping", "killed") == ["deaf:stopping", "deaf:killed"]
    assert job.service("deaf")["last_signal"] == signal.SIGKILL
    assert world.left_running() == []


def test_teardown_fits_into_the_time_before_the_scheduler_kills(world: World) -> None:
    """Of 4 s, 2 are a reserve; two deaf services in a row have to share the rest."""
    job = world.start(
        service("under", STUBBORN, readiness=DEAF),
        service("above", STUBBORN, readiness=DEAF, after={"under": "healthy"}),
        artifacts={"collect": "always", "bundles": {"default": ["logs/*.log"]}},
        environment={"HPC_COMPOSE_KILL_WAIT_S": "4"},
    )
    job.until_status("above", "ready")
    asked_at = time.monotonic()
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert time.monotonic() - asked_at < 4
    assert job.manifest["complete"] is True
    assert job.order("stopping")[0] == "above:stopping"


def test_term_twice_does_not_break_teardown(world: World) -> None:
    job = world.start(
        service("slow", "trap 'sleep 0.5; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", readiness=UP),
        artifacts={"collect": "always", "bundles": {"default": ["logs/*.log"]}},
    )
    job.until_status("slow", "ready")
    job.signal(signal.SIGTERM)
    job.until(lambda: job.events("stopping"))
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.log("slow").endswith("bye\n")
    assert job.manifest["complete"] is True
    assert len(job.events("signal")) == 2


def test_a_stopped_and_continued_supervisor_goes_on(world: World) -> None:
    job = world.start(service("app", "sleep 0.3"))
    job.until_status("app", "running")
    job.signal(signal.SIGSTOP)
    job.signal(signal.SIGCONT)
    assert job.wait() == 0


def test_a_service_that_was_stopped_still_gets_its_term(world: World) -> None:
    job = world.start(service("asleep", GRACEFUL, readiness=UP))
    job.until_status("asleep", "ready")
    os.killpg(job.service("asleep")["launcher_pid"], signal.SIGSTOP)
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.log("asleep").endswith("bye\n")


def test_services_stop_before_what_they_depend_on(world: World) -> None:
    note = "trap 'echo {0} >> \"$HPC_COMPOSE_JOB_DIR/order\"; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = world.start(
        service("db", note.format("db"), readiness=UP),
        service("app", note.format("app"), readiness=UP, after={"db": "healthy"}),
        service("web", note.format("web"), readiness=UP, after={"app": "healthy"}),
    )
    job.until_status("web", "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert (job.folder / "order").read_text() == "web\napp\ndb\n"


def test_independent_services_stop_side_by_side(world: World) -> None:
    slow = "trap 'sleep 0.6; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    names = ["a", "b", "c", "d"]
    job = world.start(*(service(name, slow, readiness=UP) for name in names))
    for name in names:
        job.until_status(name, "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.order("stopping", "exited")[:4] == [f"{name}:stopping" for name in names]


def test_the_end_marker_is_there_before_a_service_is_told(world: World) -> None:
    look = "trap '[[ -e \"$HPC_COMPOSE_JOB_DIR/end.json\" ]] && echo marked; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = world.start(service("app", look, readiness=UP))
    job.until_status("app", "ready")
    job.signal(signal.SIGTERM)
    job.wait()
    assert job.log("app").endswith("marked\n")


def test_the_time_limit_is_enforced_on_this_machine(world: World) -> None:
    code, job = world.run(service("endless", "exec sleep 60"), time_limit_s=1)
    assert code == 143
    assert (job.end["cause"], job.state["job_status"]) == ("time_limit", "TIMEOUT")


def test_a_term_after_the_time_limit_is_the_time_limit(world: World) -> None:
    """Slurm says no more than TERM; the clock tells what it means."""
    job = world.start(
        service("endless", "exec sleep 60", launch="batch"), time_limit_s=1, environment={"HPC_COMPOSE_ENGINE": "slurm"}
    )
    job.until_status("endless", "running")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert (job.end["cause"], job.state["job_status"]) == ("time_limit", "TIMEOUT")


def test_an_early_warning_reaches_the_services_and_ends_nothing(world: World) -> None:
    body = "trap 'echo checkpoint; exit 0' USR1; echo up; while :; do sleep 0.02; done"
    job = world.start(service("train", body, readiness=UP))
    job.until_status("train", "ready")
    job.signal(signal.SIGUSR1)
    assert job.wait() == 0
    assert job.log("train").endswith("checkpoint\n")


def test_a_grandchild_that_left_the_group_does_not_outlive_the_job(world: World) -> None:
    body = "setsid sleep 300 & setsid bash -c 'sleep 301 & sleep 302' & echo up; wait"
    job = world.start(service("parent", body, readiness=UP))
    job.until_status("parent", "ready")
    job.until(lambda: len(world.left_running()) >= 5)
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert world.left_running() == []


def test_an_orphan_of_a_service_that_ended_does_not_outlive_the_job(world: World) -> None:
    body = '(setsid sleep 300 & echo $! > "$HPC_COMPOSE_JOB_DIR/pid"); until [[ -s $HPC_COMPOSE_JOB_DIR/pid ]]; do sleep 0.01; done'
    code, job = world.run(service("parent", body))
    assert code == 0
    assert not is_running(int((job.folder / "pid").read_text()))


def test_a_signal_during_the_teardown_of_a_completed_job_is_not_success(world: World) -> None:
    slow = "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = world.start(
        service("side", slow, lifecycle="sidecar", readiness=UP), service("main", after={"side": "healthy"})
    )
    job.until(lambda: job.end.get("cause") == "completed")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert (job.end["cause"], job.state["cause"]) == ("cancelled", "cancelled")


def test_a_signal_during_the_teardown_of_a_failed_job_keeps_the_cause(world: World) -> None:
    slow = "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = world.start(
        service("side", slow, lifecycle="sidecar", readiness=UP), service("main", "exit 4", after={"side": "healthy"})
    )
    job.until(lambda: job.end.get("cause") == "service_failed")
    job.signal(signal.SIGTERM)
    assert job.wait() == 4


def test_a_hangup_that_was_to_be_ignored_is_ignored(world: World) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        job = world.start(service("app", "sleep 0.5"))
    finally:
        signal.signal(signal.SIGHUP, before)
    job.until_status("app", "running")
    job.signal(signal.SIGHUP)
    assert job.wait() == 0


ARTIFACTS = {"default": ["out/**", "nothing/*"], "models": ["models/*.bin", "logs"]}
MAKE = (
    'cd "$HPC_COMPOSE_JOB_DIR"; mkdir -p out/deep models; echo 1 > out/deep/one; echo 22 > out/.hidden; echo bin > models/a.bin;'
    " echo no > models/a.txt; ln -s deep/one out/inside; ln -s /etc/passwd out/outside; ln -s ../../../x out/above; mkfifo out/pipe;"
)


def test_artifacts_are_copied_with_their_place_below_the_job_folder(world: World) -> None:
    code, job = world.run(service("make", MAKE), artifacts={"collect": "always", "bundles": ARTIFACTS})
    payload = job.folder / "artifacts" / "payload"
    assert code == 0
    assert (payload / "out/deep/one").read_text() == "1\n"
    assert (payload / "out/.hidden").read_text() == "22\n"
    assert (payload / "out/inside").readlink() == Path("deep/one")
    assert not (payload / "models/a.txt").exists()
    assert (payload / "logs/make.log").exists()
    manifest = job.manifest
    assert {"logs/make.log", "models/a.bin", "out/.hidden", "out/deep/one", "out/inside"} <= set(
        manifest["copied_relative_paths"]
    )
    assert manifest["bundles"]["default"]["copied_relative_paths"] == ["out/.hidden", "out/deep/one", "out/inside"]
    assert manifest["bundles"]["default"]["warnings"] == ["nothing/* matched nothing"]
    assert manifest["job_outcome"] == "success"
    assert [row["event"] for row in job.events()][-2:] == ["artifacts_collected", "finished"]


def test_artifacts_never_lead_out_of_the_job_folder(world: World) -> None:
    _, job = world.run(service("make", MAKE), artifacts={"collect": "always", "bundles": ARTIFACTS})
    missing = {entry["path"]: entry["reason"] for entry in job.manifest["missing"]}
    assert missing == {
        "out/outside": "the link leaves the job folder",
        "out/above": "the link leaves the job folder",
        "out/pipe": "neither a file, a folder nor a link",
    }
    assert job.manifest["complete"] is False
    assert not (job.folder / "artifacts/payload/out/outside").is_symlink()


@pytest.mark.parametrize(
    ("collect", "body", "is_collected"),
    [
        ("on_success", "exit 0", True),
        ("on_success", "exit 3", False),
        ("on_failure", "exit 0", False),
        ("on_failure", "exit 3", True),
        ("always", "exit 3", True),
    ],
)
def test_the_policy_decides_whether_artifacts_are_collected(
    world: World, collect: str, body: str, is_collected: bool
) -> None:
    rules = {"collect": collect, "bundles": {"default": ["out/*"]}}
    _, job = world.run(
        service("make", f'mkdir "$HPC_COMPOSE_JOB_DIR/out"; echo x > "$HPC_COMPOSE_JOB_DIR/out/x"; {body}'),
        artifacts=rules,
    )
    assert bool(job.manifest) is is_collected
    assert (job.folder / "artifacts/payload/out/x").exists() is is_collected


def test_small_artifacts_come_first_and_the_deadline_names_what_is_missing(world: World) -> None:
    """Nothing large fits into no time at all: the order is told by what is missing."""
    body = 'mkdir "$HPC_COMPOSE_JOB_DIR/out"; cd "$HPC_COMPOSE_JOB_DIR/out"; truncate -s 3G big; echo small > small'
    rules = {"collect": "always", "bundles": {"default": ["out/*"]}}
    code, job = world.run(service("make", body), artifacts=rules, artifacts_deadline_s=0.2)
    assert code == 0
    assert job.manifest["copied_relative_paths"] == ["out/small"]
    assert job.manifest["missing"] == [{"path": "out/big", "reason": "the time for collecting was over"}]
    assert not (job.folder / "artifacts/payload/out/big").exists()


def test_artifacts_that_cannot_be_written_do_not_change_how_the_job_ended(world: World) -> None:
    body = 'mkdir "$HPC_COMPOSE_JOB_DIR/out"; echo x > "$HPC_COMPOSE_JOB_DIR/out/x"; echo trap > "$HPC_COMPOSE_JOB_DIR/artifacts"'
    code, job = world.run(service("make", body), artifacts={"collect": "always", "bundles": {"default": ["out/*"]}})
    assert code == 0
    assert job.state["job_status"] == "COMPLETED"
    assert "artifacts is a symbolic link or no folder" in job.batch_log


def test_an_error_inside_stops_the_services_and_says_so(world: World) -> None:
    """A readiness of a kind that nobody knows gets through to the supervisor."""
    code, job = world.run(
        service("first", "exec sleep 60", launch="batch"),
        service("odd", "exec sleep 60", readiness={"type": "telepathy", "timeout_s": 1}, after=["first"]),
    )
    assert code == 1
    assert (job.end["cause"], job.state["job_status"]) == ("supervisor_error", "FAILED")
    assert "telepathy" in job.batch_log
    assert world.left_running() == []


def test_the_rest_of_a_group_keeps_its_grace_time_when_its_leader_goes_first(world: World) -> None:
    """bash dies of TERM at once; what it runs cleans up first."""
    handler = 'lambda *_: (time.sleep(0.5), print("saved"), sys.exit())'
    program = f'import signal, sys, time; signal.signal(15, {handler}); print("up", flush=True); time.sleep(60)'
    child = f"{sys.executable} -c {_quoted(program)}"
    job = world.start(service("train", f"{child}; echo not reached", readiness=UP))
    job.until_status("train", "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.log("train") == "up\nsaved\n"
    assert job.service("train")["last_signal"] == signal.SIGTERM


def test_the_rest_of_a_group_is_killed_after_the_grace_time(world: World) -> None:
    body = f"bash -c {_quoted(STUBBORN)} & wait"
    job = world.start(service("train", body, readiness=DEAF), stop_grace_s=0.3)
    job.until_status("train", "ready")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.order("killed") == ["train:killed"]
    assert world.left_running() == []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
