"""The early warning of `x-slurm.signal`: who gets it, when, and what follows."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from compose_core.supervisor.early import time_left_s
from tests.core.supervisor.test_slurm_steps import (  # noqa: F401 - `slurm` is a fixture
    SQUEUE,
    break_tool,
    calls,
    scancel_calls,
    slurm,
    started,
    step,
)
from tests.core.supervisor.world import Job, World, service

UP = {"type": "log", "pattern": "^up$", "timeout_s": 20}
SAVES = "trap 'echo saved; exit 0' USR1; echo up; while :; do sleep 0.02; done"
COUNTS = "trap 'echo warned' {0}; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"
USR1 = {"name": "USR1", "at_seconds": 60}


def said(job: Job) -> list[str]:
    """What the service `train` said itself; its shell tells of the `sleep` that the signal ended, too."""
    return [line for line in job.log("train").splitlines() if line in ("up", "warned", "saved", "bye")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:05", 5),
        ("4:56", 296),
        ("1:02:03", 3723),
        ("2-00:00:01", 172801),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_the_time_left_is_read_as_squeue_shows_it(text: str, seconds: float | None) -> None:
    assert time_left_s(text) == seconds


def test_on_this_machine_the_clock_sends_it_before_the_time_limit(world: World) -> None:
    job = world.start(
        service("train", SAVES, readiness=UP), time_limit_s=60, early_signal={"name": "USR1", "at_seconds": 59}
    )
    assert job.wait() == 0
    assert job.log("train").endswith("saved\n")
    assert (job.state["job_status"], job.service("train")["status"]) == ("COMPLETED", "exited")
    event = job.events("early_signal")[0]
    assert (event["signal"], event["source"], event["services"]) == (signal.SIGUSR1, "clock", ["train"])
    assert job.state["early_signal_at"] == pytest.approx(event["at"], abs=1)
    assert job.state["early_signal_at"] - job.state["started_at"] == pytest.approx(1, abs=0.5)


def test_a_job_without_warning_says_so(world: World) -> None:
    _, job = world.run(service("app"))
    assert job.state["early_signal_at"] is None


def test_it_comes_once_and_the_time_limit_still_ends_the_job(world: World) -> None:
    job = world.start(
        service("train", COUNTS.format("USR1"), readiness=UP),
        time_limit_s=3,
        early_signal={"name": "USR1", "at_seconds": 2},
    )
    assert job.wait() == 143
    assert said(job) == ["up", "warned", "bye"]
    assert job.end["cause"] == "time_limit"


def test_a_sidecar_gets_no_warning(world: World) -> None:
    """It is there until the main services have ended; one without a handler would take the job with it."""
    job = world.start(
        service("db", "echo up; exec sleep 60", lifecycle="sidecar", readiness=UP),
        service("train", SAVES, readiness=UP, after={"db": "healthy"}),
        time_limit_s=60,
        early_signal={"name": "USR1", "at_seconds": 58},
    )
    assert job.wait() == 0
    assert job.events("early_signal")[0]["services"] == ["train"]
    assert job.service("db")["status"] == "stopped"


def test_a_service_without_a_handler_dies_of_it_and_is_told_so(world: World) -> None:
    job = world.start(
        service("naive", "echo up; exec sleep 60", readiness=UP),
        time_limit_s=60,
        early_signal={"name": "USR1", "at_seconds": 59},
    )
    assert job.wait() == 128 + signal.SIGUSR1
    assert job.end["cause"] == "service_failed"
    reason = job.service("naive")["failure_reason"]
    assert reason == "ended by SIGUSR1: nothing in it handles the early warning of x-slurm.signal"


def test_term_as_the_warning_is_no_cancel(world: World) -> None:
    body = "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = world.start(
        service("train", body, readiness=UP), time_limit_s=60, early_signal={"name": "TERM", "at_seconds": 59}
    )
    assert job.wait() == 0
    assert (job.end["cause"], said(job)) == ("completed", ["up", "saved"])
    assert job.events("signal") == []


def test_slurm_sends_it_to_this_program_and_the_steps_get_it_once(slurm: World) -> None:  # noqa: F811
    job = started(slurm, step("train", COUNTS.format("USR1")), time_limit_s=600, early_signal=USR1)
    job.signal(signal.SIGUSR1)
    job.signal(signal.SIGCONT)  # Slurm's habit
    job.until(lambda: "warned" in job.log("train"))
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert said(job) == ["up", "warned", "bye"]
    assert job.events("early_signal")[0]["source"] == "slurm"
    assert scancel_calls(slurm) == ["scancel --signal=USR1 41.0", "scancel --signal=TERM 41.0"]


@pytest.mark.parametrize("name", ["HUP", "QUIT", "USR2", "ALRM", "XCPU", "ABRT", "TSTP", "URG", "WINCH"])
def test_any_other_signal_may_be_the_warning(slurm: World, name: str) -> None:  # noqa: F811
    body = f"trap 'echo saved; exit 0' {name}; echo up; while :; do sleep 0.02; done"
    job = started(
        slurm,
        service("train", body, launch="batch", readiness=UP),
        time_limit_s=600,
        early_signal={"name": name, "at_seconds": 60},
    )
    job.signal(getattr(signal, f"SIG{name}"))
    assert job.wait() == 0
    assert job.log("train").endswith("saved\n")


def test_a_second_signal_of_that_name_means_what_it_always_does(slurm: World) -> None:  # noqa: F811
    job = started(
        slurm,
        service("train", COUNTS.format("HUP"), launch="batch", readiness=UP),
        time_limit_s=600,
        early_signal={"name": "HUP", "at_seconds": 60},
    )
    job.signal(signal.SIGHUP)
    job.until(lambda: "warned" in job.log("train"))
    time.sleep(10.5)  # until then, it would be taken for the same one
    job.signal(signal.SIGHUP)
    assert job.wait() == 129
    assert job.end["cause"] == "signal"


def test_a_signal_that_slurm_delivers_twice_is_one_warning(slurm: World) -> None:  # noqa: F811
    """So is one that comes after the clock has sent it."""
    job = started(slurm, step("train", COUNTS.format("USR1")), time_limit_s=61, early_signal=USR1)
    job.until(lambda: job.events("early_signal"))
    job.signal(signal.SIGUSR1)
    job.until(lambda: "warned" in job.log("train"))
    time.sleep(0.1)
    job.signal(signal.SIGUSR1)
    time.sleep(0.3)
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert said(job) == ["up", "warned", "bye"]
    assert len(scancel_calls(slurm)) == 2


TIME_LEFT = 'if [[ $* == *%L ]]; then echo "squeue $*" >> "$FAKE/calls"; cat "$FAKE/left"; exit; fi\n'


@pytest.fixture
def clocked(slurm: World) -> World:  # noqa: F811
    """Slurm tools whose squeue tells the time left that stands in the file `left`."""
    squeue = Path(slurm.environment["PATH"].split(":")[0]) / "squeue"
    head, rest = SQUEUE.split("\n", 1)
    squeue.write_text(f"{head}\n{TIME_LEFT}{rest}")
    (Path(slurm.environment["FAKE"]) / "left").write_text("1:00\n")
    return slurm


def test_when_slurm_has_not_sent_it_in_time_the_clock_does(clocked: World) -> None:
    """Very short limits leave Slurm no turn."""
    job = clocked.start(step("train", SAVES), time_limit_s=61, early_signal=USR1)
    assert job.wait() == 0
    assert job.events("early_signal")[0]["source"] == "clock"
    assert "squeue -h -j 41 -o %L" in calls(clocked)


def test_a_limit_that_was_moved_moves_the_warning(clocked: World) -> None:
    left = Path(clocked.environment["FAKE"]) / "left"
    left.write_text("1:02\n")
    job = clocked.start(step("train", SAVES), time_limit_s=60, early_signal=USR1)
    job.until(lambda: "squeue -h -j 41 -o %L" in calls(clocked))
    asked_at = time.time()
    time.sleep(0.3)  # its answer may still be on the way
    left.write_text("1:00\n")
    assert job.wait() == 0
    assert job.events("early_signal")[0]["at"] - asked_at == pytest.approx(2, abs=1)


def test_without_a_limit_in_the_file_slurm_is_asked_for_the_sites(clocked: World) -> None:
    job = clocked.start(step("train", SAVES), early_signal={"name": "TERM", "at_seconds": 59})
    job.until(lambda: "squeue -h -j 41 -o %L" in calls(clocked))
    job.until(lambda: job.events("early_signal"))
    assert job.wait() in (0, 143)
    assert job.events("signal") == []


def test_a_job_without_any_limit_is_never_warned(clocked: World) -> None:
    (Path(clocked.environment["FAKE"]) / "left").write_text("UNLIMITED\n")
    code, job = clocked.run(step("train", "echo up; sleep 1"), early_signal=USR1)
    assert code == 0
    assert job.events("early_signal") == []


def test_a_step_that_slurm_does_not_reach_yet_is_warned_later(slurm: World) -> None:  # noqa: F811
    """TERM or USR1 to srun itself might end its tasks, so the warning waits."""
    job = started(slurm, step("train", SAVES), time_limit_s=600, early_signal=USR1)
    break_tool(slurm, "scancel_fails")
    job.signal(signal.SIGUSR1)
    job.until(lambda: scancel_calls(slurm))
    (Path(slurm.environment["FAKE"]) / "scancel_fails").unlink()
    assert job.wait() == 0
    assert job.log("train").endswith("saved\n")


def test_signals_that_mean_nothing_do_not_end_the_supervisor(world: World) -> None:
    job = world.start(service("app", "echo up; sleep 1", readiness=UP))
    job.until_status("app", "ready")
    for signum in (signal.SIGALRM, signal.SIGXCPU, signal.SIGABRT):
        job.signal(signum)
    assert job.wait() == 0
    assert len(job.events("signal")) == 3


def test_the_time_limit_of_a_service_ends_it_alone(world: World) -> None:
    job = world.start(
        service("short", "echo up; exec sleep 60", time_limit_s=1, policy="ignore"), service("long", "sleep 2")
    )
    assert job.wait() == 0
    assert job.service("short")["failure_reason"] == "its time limit was reached (ended by SIGTERM)"
    assert job.service("short")["last_exit_code"] == 143


def test_a_service_that_ends_well_at_its_time_limit_has_ended_well(world: World) -> None:
    body = "trap 'exit 0' TERM; while :; do sleep 0.02; done"
    code, job = world.run(service("short", body, time_limit_s=1))
    assert (code, job.service("short")["status"]) == (0, "exited")
