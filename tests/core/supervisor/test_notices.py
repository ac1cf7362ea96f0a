"""Why a job or a step ends, as Slurm's own lines in the logs say. The texts are from Slurm 22.05 unless marked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from compose_core.supervisor.notices import NOTICE_LIMIT, BatchLog, StepStory, explained

ENDS = {
    "slurmstepd-node3: error: *** JOB 41 ON node3 CANCELLED AT 2026-11-21T07:13:35 ***": "cancelled",
    "slurmstepd-node3: error: *** JOB 41 ON node3 CANCELLED AT 2026-11-21T07:14:49 DUE TO TIME LIMIT ***": "time_limit",
    "slurmstepd-node2: error: *** JOB 41 ON node2 CANCELLED AT 2026-11-21T07:13:36 DUE TO PREEMPTION ***": "preempted",
    "slurmstepd-node3: error: *** JOB 41 ON node3 CANCELLED AT 2026-11-21T07:13:35 DUE TO JOB REQUEUE ***": "requeued",
    "slurmstepd-node3: error: *** JOB 41 ON node3 CANCELLED AT 2026-11-21T07:16:52 DUE TO NODE FAILURE, SEE SLURMCTLD LOG"
    " FOR DETAILS ***": "node_failed",
    "slurmstepd-node3: error: *** JOB 415 ON node3 CANCELLED AT 2026-11-21T07:13:35 DUE TO PREEMPTION ***": "",
    "slurmstepd-node3: error: *** STEP 41.0 ON node3 CANCELLED AT 2026-11-21T07:13:35 DUE TO TIME LIMIT ***": "",
    "": "",
}


@pytest.mark.parametrize(("line", "cause"), list(ENDS.items()))
def test_the_batch_log_says_why_the_job_is_ended(tmp_path: Path, line: str, cause: str) -> None:
    path = tmp_path / "slurm-41.out"
    path.write_text("*** JOB 41 ON old CANCELLED AT earlier DUE TO NODE FAILURE ***\n")  # of an earlier attempt
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        log = BatchLog("41", descriptor)
        os.write(descriptor, b"x" * 2 * NOTICE_LIMIT + f"\n{line}\nhpc-compose: more\n".encode())
        assert log.cause() == cause
    finally:
        os.close(descriptor)


def test_a_batch_log_that_is_no_file_says_nothing() -> None:
    reader, writer = os.pipe()
    try:
        assert BatchLog("41", writer).cause() == ""
    finally:
        os.close(reader)
        os.close(writer)


def test_the_first_task_that_srun_names_is_the_one_that_failed() -> None:
    text = (
        "mine: srun: error: node9: task 9: Exited with exit code 9\n"
        "srun: error: node2: task 3: Exited with exit code 7\n"
        "srun: launch/slurm: _step_signal: Terminating StepId=1005.2\n"
        "srun: error: node3: tasks 4-5: Terminated\n"
    )
    assert (StepStory(text).node, StepStory(text).rank) == ("node2", 3)
    several = StepStory("srun: error: node1: tasks 0-1,5: Exited with exit code 3\n")
    assert (several.node, several.rank) == ("node1", 0)
    nothing = StepStory("srun: error: Unable to create step for job 41: Job/step already completing\n")
    assert (nothing.node, nothing.rank) == (None, None)


OUT_OF_MEMORY = [
    # with task/cgroup, as Slurm 20.11 to 24.05 word it
    "slurmstepd: error: Detected 1 oom_kill event in StepId=41.0. Some of the step tasks have been OOM Killed.",
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=41.0 cgroup. Some of your processes may have been killed"
    " by the cgroup out-of-memory handler.",
    "srun: error: node1: task 0: Out Of Memory",
    # with JobAcctGatherParams=OverMemoryKill
    "slurmstepd-node1: error: Step 41.0 exceeded memory limit (430464 > 102400), being killed",
    "slurmstepd-node1: error: StepId=41.0 exceeded memory limit (1004421120 > 104857600), being killed",
    "slurmstepd-node1: error: *** STEP 41.0 exceeded memory limit",
]


@pytest.mark.parametrize("line", OUT_OF_MEMORY)
def test_lack_of_memory_is_told_in_words_with_a_remedy(line: str) -> None:
    story = StepStory(f"loading\n{line}\nsrun: error: node1: task 0: Killed\n")
    assert explained("exited with 137", 137, story, "", "") == (
        "it ran out of memory (exited with 137): ask for more with x-slurm.mem, or use less"
    )


def test_a_program_that_talks_of_memory_did_not_run_out_of_it() -> None:
    story = StepStory("CUDA error: Out Of Memory\nexceeded memory limit\n")
    assert explained("exited with 1", 1, story, "", "") == "exited with 1"


def test_a_step_that_reached_its_own_limit_says_so() -> None:
    line = "slurmstepd-node1: error: *** STEP 1013.0 ON node1 CANCELLED AT 2026-11-21T07:17:19 DUE TO TIME LIMIT ***\n"
    assert explained("exited with 143", 143, StepStory(line), "", "") == "its time limit was reached (exited with 143)"


def test_the_early_warning_explains_only_its_own_signal() -> None:
    usr1 = 128 + signal.SIGUSR1
    assert "early warning" in explained(f"exited with {usr1}", usr1, StepStory(""), "", "SIGUSR1")
    assert "early warning" not in explained(f"exited with {usr1}", usr1, StepStory(""), "", "")
    assert "early warning" not in explained("exited with 3", 3, StepStory(""), "", "SIGUSR1")
