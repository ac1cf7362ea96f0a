"""Hooks beside the loop: in order, bounded, never in the way of the services."""

from __future__ import annotations

import signal
import time
from typing import Any

from compose_core.supervisor import hooks as part
from tests.core.supervisor.world import Job, World, is_running, service

UP = {"type": "log", "pattern": "^up$", "timeout_s": 20}


def hook(on: str, script: str) -> dict[str, str]:
    """A hook of a job description."""
    return {"on": on, "script": script}


def hook_events(job: Job) -> list[tuple[str, int, bool]]:
    """Event, exit code and whether it was ended, for each hook that ran."""
    return [(row["on"], row["exit_code"], row["timed_out"]) for row in job.events("hook")]


def test_each_event_runs_its_hooks_with_the_figures_of_that_moment(world: World) -> None:
    """Two restarts, then the lifetime cap; hooks of one event run in the order of their declaration."""
    show = 'echo "$HPC_COMPOSE_HOOK_EVENT $HPC_COMPOSE_SERVICE_EXIT_CODE $HPC_COMPOSE_RESTART_COUNT'
    show += "/$HPC_COMPOSE_MAX_RESTARTS $HPC_COMPOSE_RESTART_FAILURES_IN_WINDOW/$HPC_COMPOSE_MAX_RESTARTS_IN_WINDOW"
    show += '@$HPC_COMPOSE_WINDOW_SECONDS"'
    hooks = [hook("restart", f"sleep 0.1; {show} first"), hook("restart", "echo second; exit 4"), hook("gave_up", show)]
    code, job = world.run(
        service(
            "app",
            "echo run; exit 7",
            policy="restart_on_failure",
            max_restarts=2,
            max_restarts_in_window=9,
            hooks=hooks,
        )
    )
    assert code == 7
    assert job.log("app").splitlines() == [
        "run", "restart 7 1/2 1/9@60 first", "second",
        "run", "restart 7 2/2 2/9@60 first", "second",
        "run", "gave_up 7 2/2 2/9@60",
    ]  # fmt: skip
    assert hook_events(job) == [("restart", 0, False), ("restart", 4, False)] * 2 + [("gave_up", 0, False)]
    assert "restart hook ended with 4" in job.batch_log
    assert job.end["cause"] == "restarts_exhausted"


def test_the_failure_is_written_down_before_its_hook_runs(world: World) -> None:
    look = 'grep -q \'"restart_count": 1\' "$HPC_COMPOSE_JOB_DIR/state.json" && echo counted'
    code, job = world.run(
        service("app", "[[ -e $HPC_COMPOSE_JOB_DIR/x ]] || { touch $HPC_COMPOSE_JOB_DIR/x; exit 1; }",
                policy="restart_on_failure", hooks=[hook("restart", look)]),
    )  # fmt: skip
    assert code == 0
    assert job.log("app") == "counted\n"


def test_the_rolling_window_and_every_exit_have_events(world: World) -> None:
    hooks = [hook("window_exhausted", "echo loop"), hook("exit", "echo exit $HPC_COMPOSE_SERVICE_EXIT_CODE")]
    code, job = world.run(
        service("app", "exit 9", policy="restart_on_failure", max_restarts=9, max_restarts_in_window=1, hooks=hooks)
    )
    assert code == 9
    assert sorted(job.log("app").splitlines()) == ["exit 9", "exit 9", "loop"]


def test_a_hook_runs_when_its_service_is_ready_and_the_service_is_not_kept_waiting(world: World) -> None:
    code, job = world.run(
        service("web", "echo up; sleep 0.5", readiness=UP, hooks=[hook("ready", "sleep 0.3; echo hooked > $HPC_COMPOSE_JOB_DIR/r")]),
        service("client", "ls $HPC_COMPOSE_JOB_DIR/r", after={"web": "healthy"}, policy="ignore"),
    )  # fmt: skip
    assert code == 0
    assert (job.folder / "r").read_text() == "hooked\n"
    assert job.state["services"][1]["last_exit_code"] != 0, "the client started before the hook had ended"


def test_a_hook_that_hangs_is_ended_and_the_restart_follows(world: World) -> None:
    """TERM is not enough for this one."""
    hooks = [hook("restart", "trap '' TERM; echo $$ > $HPC_COMPOSE_JOB_DIR/pid; while :; do sleep 0.1; done")]
    began = time.monotonic()
    code, job = world.run(
        service("app", "mkdir $HPC_COMPOSE_JOB_DIR/a 2>/dev/null && exit 1; exit 0", policy="restart_on_failure", hooks=hooks),
        hook_timeout_s=0.5,
    )  # fmt: skip
    assert code == 0
    assert hook_events(job) == [("restart", 137, True)]
    assert not is_running(int((job.folder / "pid").read_text()))
    assert time.monotonic() - began < 10


def test_a_hook_that_hangs_is_ended_with_a_job_that_is_cancelled(world: World) -> None:
    """It does not keep teardown from what Slurm leaves it."""
    job = world.start(
        service("app", "echo up; sleep 60", readiness=UP, hooks=[hook("ready", "echo on > $HPC_COMPOSE_JOB_DIR/on; sleep 60")]),
        environment={"HPC_COMPOSE_KILL_WAIT_S": "4"},
    )  # fmt: skip
    job.until((job.folder / "on").exists)
    began = time.monotonic()
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert time.monotonic() - began < 4
    assert hook_events(job) == [("ready", 137, True)]


def test_a_hook_of_the_last_moment_gets_its_time(world: World) -> None:
    """The service's end ends the job; its exit hook still runs."""
    code, job = world.run(service("app", "exit 5", hooks=[hook("exit", "sleep 0.5; echo bye")]))
    assert code == 5
    assert job.log("app") == "bye\n"
    assert job.order("exited", "hook", "finished") == ["app:exited", "app:hook", "job:finished"]


def test_what_a_hook_leaves_behind_is_ended_with_it(world: World) -> None:
    hooks = [hook("ready", "sleep 300 & echo $! > $HPC_COMPOSE_JOB_DIR/pid")]
    job = world.start(service("app", "echo up; sleep 60", readiness=UP, hooks=hooks))
    job.until(lambda: job.events("hook"))
    job.until(lambda: not is_running(int((job.folder / "pid").read_text())))
    job.signal(signal.SIGTERM)
    assert job.wait() == 143


def test_a_hook_is_a_file_that_no_argument_shows(world: World) -> None:
    """Whatever its text holds; the script and its arguments stay free of it."""
    text = "echo \"$0\" 'JOB\n' $(( 1 + 1 )) \"$(tr '\\0' ' ' < /proc/$$/cmdline)\""
    _, job = world.run(service("my.app", "true", hooks=[hook("exit", text)]))
    path = job.folder / "hooks" / "my_x2e_app.hook0.sh"
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert job.log("my.app").split("\n") == [f"{path} JOB", f" 2 bash {path} ", ""]


def test_what_is_left_of_an_earlier_attempt_is_written_anew(world: World) -> None:
    folder = world.metadata / "41" / "hooks"
    folder.mkdir(parents=True)
    (folder / "app.hook0.sh").symlink_to("/dev/null")
    _, job = world.run(service("app", "true", hooks=[hook("exit", "echo new")]), arguments=())
    assert job.log("app") == "new\n"


def test_a_hook_that_cannot_be_started_is_told_of(world: World) -> None:
    """The job goes on."""
    code, job = world.run(
        service("app", "rm -rf $HPC_COMPOSE_JOB_DIR/hooks", hooks=[hook("exit", "echo never")])
    )  # fmt: skip
    assert code == 0
    assert hook_events(job) == [("exit", 127, False)]


def test_the_variables_are_the_documented_ones() -> None:
    from compose_core.supervisor.service import Service

    described: dict[str, Any] = service("app", policy="fail_job")
    variables = part.hook_variables(Service(described, 0), "exit", None, "/job", 0.0)
    assert variables["HPC_COMPOSE_SERVICE_EXIT_CODE"] == ""
    assert variables["HPC_COMPOSE_SERVICE_LOG"] == "/job/logs/app.log"
    assert len(variables) == 9
