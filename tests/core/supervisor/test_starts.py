"""Which start of a job this is, and that no two of them run side by side."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import Any

import pytest

from compose_core.supervisor.host import start_ticks
from compose_core.supervisor.starts import attempt_of, earlier_end, wait_for_earlier
from compose_core.supervisor.talk import Refused


def state(**changes: Any) -> dict[str, Any]:
    """What an earlier start on this host wrote that is still there."""
    return {
        "attempt": 0,
        "finished_at": None,
        "host": socket.gethostname(),
        "supervisor_pid": os.getpid(),
        "supervisor_start_ticks": start_ticks(),
        "heartbeat_at": time.time(),
        **changes,
    }


class TestNumbers:
    def test_the_first_start_and_those_that_slurm_counts_have_slurms_number(self) -> None:
        assert attempt_of({}, {}, may_start_again=True) == 0
        assert attempt_of({"SLURM_RESTART_COUNT": "1"}, {"attempt": 0}, may_start_again=True) == 1
        assert attempt_of({"SLURM_RESTART_COUNT": "3"}, {"attempt": 1}, may_start_again=False) == 3

    def test_a_start_that_slurm_forgot_to_count_comes_after_the_earlier_one(self) -> None:
        assert attempt_of({}, {"attempt": 0}, may_start_again=True) == 1
        assert attempt_of({"SLURM_RESTART_COUNT": "1"}, {"attempt": 2}, may_start_again=True) == 3

    def test_a_job_that_must_not_start_again_does_not(self) -> None:
        with pytest.raises(Refused, match="second time"):
            attempt_of({}, {"attempt": 0}, may_start_again=False)

    @pytest.mark.parametrize("known", [None, "1", True, -1])
    def test_a_state_without_a_number_counts_for_nothing(self, known: object) -> None:
        assert attempt_of({}, {"attempt": known}, may_start_again=False) == 0


class TestEarlierEnds:
    @pytest.mark.parametrize(("cause", "status"), [("completed", 0), ("service_failed", 3), ("assertion_failed", 1)])
    def test_a_forgotten_start_that_came_to_its_end_is_not_repeated(self, cause: str, status: int) -> None:
        earlier = state(finished_at=1.0, cause=cause, job_exit_code=status)
        assert earlier_end({}, earlier) == status
        assert earlier_end({"SLURM_RESTART_COUNT": "1"}, {**earlier, "attempt": 1}) == status

    def test_one_that_slurm_counts_is(self) -> None:
        """Somebody wants it: a requeue."""
        earlier = state(finished_at=1.0, cause="completed", job_exit_code=0)
        assert earlier_end({"SLURM_RESTART_COUNT": "1"}, earlier) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"finished_at": None, "cause": "completed", "job_exit_code": 0},
            {"cause": "cancelled", "job_exit_code": 143},
            {"cause": "node_failed", "job_exit_code": 143},
            {"cause": "completed", "job_exit_code": None},
            {"attempt": None, "cause": "completed", "job_exit_code": 0},
        ],
    )
    def test_one_that_was_ended_from_outside_or_died_is(self, changes: dict[str, Any]) -> None:
        assert earlier_end({}, state(**{"finished_at": 1.0, **changes})) is None


class TestWaiting:
    def test_a_start_that_is_over_is_not_waited_for(self) -> None:
        wait_for_earlier(state(finished_at=1.0), dict, patience_s=0)
        wait_for_earlier(state(supervisor_start_ticks=1), dict, patience_s=0)
        wait_for_earlier(state(host="node9", heartbeat_at=time.time() - 60), dict, patience_s=0)
        wait_for_earlier({}, dict, patience_s=0)

    @pytest.mark.parametrize("changes", [{}, {"host": "node9"}])
    def test_one_that_goes_on_keeps_this_one_from_starting(self, changes: dict[str, Any]) -> None:
        naps: list[float] = []
        with pytest.raises(Refused, match="still runs"):
            wait_for_earlier(state(**changes), dict, patience_s=2, sleep=naps.append)
        assert sum(naps) == 2

    def test_it_begins_once_the_other_process_is_gone(self) -> None:
        other = subprocess.Popen(["sleep", "60"])
        earlier = state(supervisor_pid=other.pid, supervisor_start_ticks=start_ticks(str(other.pid)))

        def nap(_: float) -> None:
            other.kill()
            other.wait()

        wait_for_earlier(earlier, dict, sleep=nap)
        assert other.returncode is not None
