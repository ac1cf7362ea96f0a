"""Slurm's reasons and exit statuses in plain words."""

from __future__ import annotations

import pytest

from compose_core.insight.exit_codes import exit_code_meaning
from compose_core.insight.pending_reasons import is_hopeless, reason_in_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "not free"),
        ("Priority", "priority"),
        ("JobHeldUser", "held by its user"),
        ("(JobHeldUser)", "held by its user"),
        ("DependencyNeverSatisfied", "will never start"),
        ("PartitionTimeLimit", "more time than its partition"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "(n[1-3])"),
        ("ReqNodeNotAvail, May be reserved for other job", "down, drained or reserved"),
        ("launch failed requeued held", "could not be started"),
        ("QOSMaxSubmitJobPerUserLimit", "its quality of service allows of submitted jobs for one user"),
        ("QOSMaxSubmitJob", "submitted jobs"),
        ("AssocGrpCpuLimit", "all jobs of its account together reach what it allows of CPUs"),
        ("AssocGrpCPULimit", "CPUs"),
        ("AssocGrpGRES", "GPUs"),
        ("QOSMaxGRESPerUser", "GPUs or other devices for one user"),
        ("QOSMaxMemoryPerNode", "memory on one node"),
        ("MaxCpuPerAccount", "CPUs for one account"),
        ("AssocMaxWallDurationPerJobLimit", "in one job"),
    ],
)
def test_a_reason_of_slurm_has_a_sentence(reason: str, words: str) -> None:
    """Also those that are made of parts."""
    assert words in reason_in_words(reason)


@pytest.mark.parametrize("reason", ["", "None", "SomethingNew", "(null)", "x" * 10000, "Max"])
def test_an_unknown_reason_is_not_explained(reason: str) -> None:
    """Nothing is made up."""
    assert reason_in_words(reason) in ("", reason_in_words("Max"))


def test_some_reasons_do_not_go_away_by_waiting() -> None:
    """A held job; not one whose turn comes."""
    assert is_hopeless("JobHeldUser")
    assert is_hopeless("PartitionTimeLimit")
    assert not is_hopeless("Resources")
    assert not is_hopeless("")


@pytest.mark.parametrize(
    ("code", "signal", "words"),
    [
        (126, None, "cannot be executed"),
        (127, None, "not found"),
        (137, None, "137 = 128 + 9 (SIGKILL)"),
        (139, None, "SIGSEGV"),
        (143, None, "SIGTERM"),
        (53, None, "Slurm could not open the job's log"),
        (0, 9, "signal 9 (SIGKILL)"),
        (255, None, "255"),
        (42, None, "42: the program's own word"),
        (200, None, "200"),
    ],
)
def test_an_exit_status_has_a_meaning(code: int, signal: int | None, words: str) -> None:
    """By convention of shells, of Slurm, and of signals."""
    assert words in exit_code_meaning(code, signal)


def test_success_needs_no_words() -> None:
    """Nor does what is not known."""
    assert exit_code_meaning(0) == exit_code_meaning(None) == ""
