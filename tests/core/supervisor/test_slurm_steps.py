"""Stopping steps on Slurm: through scancel with the step's id, because TERM to srun kills its tasks at once."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.core.supervisor.world import Job, World, service

# Real srun ends its tasks with KILL when it gets TERM itself, passes USR1 on, and ends with the task's status.
SRUN = """\
#!/bin/bash
name=$1; shift
setsid "$@" & task=$!
mkdir -p "$FAKE/steps"
step=0
until mkdir "$FAKE/taken.$step" 2>/dev/null; do step=$((step + 1)); done
echo "$task" > "$FAKE/steps/$step.$name"
trap 'echo "srun TERM $name" >> "$FAKE/calls"; kill -KILL -- -$task' TERM
trap 'kill -USR1 -- -$task' USR1
until wait $task; code=$?; ! kill -0 $task 2>/dev/null; do :; done
rm -f "$FAKE/steps/$step.$name"
exit $code
"""
SQUEUE = """\
#!/bin/bash
echo "squeue $*" >> "$FAKE/calls"
[[ ! -e $FAKE/squeue_fails ]] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
[[ ! -e $FAKE/squeue_hangs ]] || exec sleep 60
echo "41.batch|batch"
for entry in "$FAKE"/steps/*; do [[ -e $entry ]] || continue; base=${entry##*/}; echo "41.${base%%.*}|hpc-compose:${base#*.}"; done
"""
SCANCEL = """\
#!/bin/bash
echo "scancel $*" >> "$FAKE/calls"
signal=${1#--signal=}; step=${2#*.}
[[ ! -e $FAKE/scancel_fails ]] || { echo "scancel: error: Unable to contact slurm controller" >&2; exit 8; }
for entry in "$FAKE/steps/$step".*; do kill "-$signal" -- "-$(< "$entry")"; done
[[ ! -e $FAKE/scancel_225 ]] || { echo "scancel: error: Kill job error on job step id 41.0: Invalid job id specified" >&2; exit 225; }
"""
SCONTROL = """\
#!/bin/bash
echo "scontrol $*" >> "$FAKE/calls"
[[ $3 == "n[1-3]" ]] && printf 'n1\\nn2\\nn3\\n'
"""

UP = {"type": "log", "pattern": "^up$", "timeout_s": 20}
GRACEFUL = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"
DEAF = "trap '' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def slurm(world: World, tmp_path: Path) -> World:
    """A world whose PATH holds srun, squeue, scancel and scontrol that write down how they were called."""
    tools, fake = tmp_path / "tools", tmp_path / "fake"
    tools.mkdir()
    fake.mkdir()
    for name, text in (("srun", SRUN), ("squeue", SQUEUE), ("scancel", SCANCEL), ("scontrol", SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod((tools / name).stat().st_mode | stat.S_IXUSR)
    world.environment.update(
        PATH=f"{tools}:/usr/local/bin:/usr/bin:/bin", FAKE=str(fake), HPC_COMPOSE_ENGINE="slurm", SLURMD_NODENAME="n1"
    )
    return world


def step(name: str, body: str = GRACEFUL, **fields: Any) -> dict[str, Any]:
    """A service that runs as a step."""
    entry = service(name, "", readiness=UP, **fields)
    entry["body"] = f"exec srun {name} bash -c {_quoted(body)}"
    return entry


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def calls(world: World) -> list[str]:
    """How the tools were called, in order."""
    path = Path(world.environment["FAKE"]) / "calls"
    return path.read_text().splitlines() if path.exists() else []


def scancel_calls(world: World) -> list[str]:
    """How scancel was called."""
    return [call for call in calls(world) if call.startswith("scancel")]


def break_tool(world: World, how: str) -> None:
    """From now on a tool misbehaves."""
    (Path(world.environment["FAKE"]) / how).touch()


def started(world: World, *services: dict[str, Any], **options: Any) -> Job:
    """A job whose services are all ready."""
    job = world.start(*services, **options)
    for entry in services:
        job.until_status(entry["name"], "ready")
    return job


def end_whole_job(job: Job) -> None:
    """What Slurm sends to the batch script of a job that it ends; the steps get their TERM from Slurm."""
    job.signal(signal.SIGCONT)
    job.signal(signal.SIGTERM)


def test_a_sidecar_is_stopped_through_its_step(slurm: World) -> None:
    """It cleans up and ends with its own code; srun itself is left alone."""
    job = slurm.start(
        step("side", lifecycle="sidecar"), service("main", "true", launch="batch", after={"side": "healthy"})
    )
    assert job.wait() == 0
    assert job.log("side").endswith("bye\n")
    assert calls(slurm) == ["squeue --steps -h -j 41 -o %i|%j", "scancel --signal=TERM 41.0"]
    side = job.service("side")
    assert (side["step_id"], side["last_exit_code"], side["status"]) == ("41.0", 0, "stopped")


def test_the_step_ids_are_asked_for_once(slurm: World) -> None:
    job = started(slurm, step("a"), step("b"), step("c"))
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert sum(call.startswith("squeue") for call in calls(slurm)) == 1
    assert sorted(scancel_calls(slurm)) == [f"scancel --signal=TERM 41.{number}" for number in range(3)]


def test_a_step_that_ignores_term_is_killed_through_its_step(slurm: World) -> None:
    job = started(slurm, step("deaf", DEAF), stop_grace_s=0.3)
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert scancel_calls(slurm) == ["scancel --signal=TERM 41.0", "scancel --signal=KILL 41.0"]
    assert job.order("killed") == ["deaf:killed"]


def test_when_slurm_ends_the_whole_job_the_steps_are_not_told_again(slurm: World) -> None:
    job = started(slurm, step("app", "trap 'echo bye; exit 0' USR2; echo up; while :; do sleep 0.02; done"))
    end_whole_job(job)
    job.until(lambda: job.events("stopping"))
    _signal_steps(slurm, signal.SIGUSR2)
    assert job.wait() == 143
    assert scancel_calls(slurm) == []
    assert (job.end["cause"], job.service("app")["status"]) == ("cancelled", "stopped")


def test_a_step_that_dies_right_before_the_term_arrives_was_cancelled(slurm: World) -> None:
    """Slurm signals steps and batch script at the same time; srun may end first."""
    job = started(slurm, step("app", "echo up; exec sleep 60"))
    _signal_steps(slurm, signal.SIGTERM)
    job.until(lambda: job.events("exited"))
    end_whole_job(job)
    assert job.wait() == 143
    assert job.end["cause"] == "cancelled"


def test_a_step_that_dies_of_a_signal_by_itself_fails_the_job(slurm: World) -> None:
    job = started(slurm, step("app", "echo up; exec sleep 60"))
    _signal_steps(slurm, signal.SIGKILL)
    assert job.wait() == 137
    assert job.end["cause"] == "service_failed"


def test_of_two_steps_that_fail_together_both_say_why(slurm: World) -> None:
    """The first one ends the job; the other was not stopped by that."""
    job = started(slurm, step("a", "echo up; sleep 0.5; exit 3"), step("b", "echo up; sleep 0.7; exit 4"))
    assert job.wait() == 3
    assert (job.service("b")["status"], job.service("b")["failure_reason"]) == ("failed", "exited with 4")


@pytest.mark.parametrize("trouble", ["squeue_fails", "scancel_fails"])
def test_without_an_answer_of_slurm_srun_itself_is_told(slurm: World, trouble: str) -> None:
    job = started(slurm, step("app"))
    break_tool(slurm, trouble)
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert "srun TERM app" in calls(slurm)
    assert slurm.left_running() == []


def test_a_delivered_signal_counts_although_scancel_answers_225(slurm: World) -> None:
    """On a job of several nodes scancel says so for a step on one of them."""
    job = started(slurm, step("app"))
    break_tool(slurm, "scancel_225")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.log("app").endswith("bye\n")
    assert "srun TERM app" not in calls(slurm)


def test_a_hanging_squeue_does_not_hold_up_teardown(slurm: World) -> None:
    job = started(slurm, step("app"), environment={"HPC_COMPOSE_KILL_WAIT_S": "3"})
    break_tool(slurm, "squeue_hangs")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.end["cause"] == "cancelled"


def test_an_early_warning_reaches_the_steps(slurm: World) -> None:
    job = started(slurm, step("train", "trap 'echo saved; exit 0' USR1; echo up; while :; do sleep 0.02; done"))
    job.signal(signal.SIGUSR1)
    assert job.wait() == 0
    assert scancel_calls(slurm) == ["scancel --signal=USR1 41.0"]
    assert job.log("train").endswith("saved\n")


def test_a_service_in_the_batch_step_is_signalled_by_the_supervisor(slurm: World) -> None:
    job = started(slurm, service("tool", GRACEFUL, launch="batch", readiness=UP))
    end_whole_job(job)
    assert job.wait() == 143
    assert job.log("tool").endswith("bye\n")
    assert calls(slurm) == []


def test_an_unready_step_is_stopped_through_scancel_and_restarted(slurm: World) -> None:
    """Its second run is another step, whose id is asked for anew."""
    body = f"cd {slurm.folder}; trap 'exit 0' TERM; [[ -e again ]] && echo up && exit 0; touch again; while :; do sleep 0.02; done"
    entry = step("flaky", body, policy="restart_on_failure")
    entry["readiness"] = {**UP, "timeout_s": 0.5}
    code, job = slurm.run(entry)
    assert code == 0
    assert scancel_calls(slurm) == ["scancel --signal=TERM 41.0"]
    assert job.service("flaky")["restart_count"] == 1
    assert job.order("ready") == ["flaky:ready"]


def test_the_nodes_of_an_allocation_are_written_down(slurm: World) -> None:
    entry = service("wide", "env", placement_mode="distributed", nodes=3, launch="batch")
    _, job = slurm.run(entry, environment={"SLURM_JOB_NODELIST": "n[1-3]"})
    assert (job.folder / "allocation/nodes.txt").read_text() == "n1\nn2\nn3\n"
    assert (job.folder / "allocation/primary_node").read_text() == "n1\n"
    assert "HPC_COMPOSE_NODE_COUNT=3\n" in job.log("wide")
    assert "HPC_COMPOSE_WIDE_HOST=n1\n" in job.log("wide")
    assert (job.service("wide")["nodelist"], job.state["backend"]) == ("n[1-3]", "slurm")


def test_the_nodes_are_known_where_scontrol_does_not_answer(slurm: World) -> None:
    """The list itself says them."""
    _, job = slurm.run(service("wide", "env", launch="batch"), environment={"SLURM_JOB_NODELIST": "n[1,4-5]"})
    assert (job.folder / "allocation/nodes.txt").read_text() == "n1\nn4\nn5\n"
    assert "HPC_COMPOSE_NODE_COUNT=3\n" in job.log("wide")


def test_a_job_of_one_node_asks_nobody_for_its_nodes(slurm: World) -> None:
    _, job = slurm.run(service("one", launch="batch"), environment={"SLURM_JOB_NODELIST": "n1"})
    assert (job.folder / "allocation/nodes.txt").read_text() == "n1\n"
    assert calls(slurm) == []


def _signal_steps(world: World, signum: int) -> None:
    for entry in (Path(world.environment["FAKE"]) / "steps").iterdir():
        os.killpg(int(entry.read_text()), signum)
