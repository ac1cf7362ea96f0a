from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.engine import Accepted, Ambiguous, Refused
from compose_core.cluster.runner import Finished
from compose_core.cluster.sbatch import parse_sbatch, sbatch_argv
from compose_core.errors import UsageError

FAILED = "sbatch: error: Batch job submission failed:"
POLICY = f"{FAILED} Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def _answer(rc: int = 0, stdout: str = "", stderr: str = "") -> Finished:
    return Finished(argv=("sbatch",), rc=rc, stdout=stdout, stderr=stderr)


def test_the_call_carries_the_token_twice_and_the_script_last() -> None:
    assert sbatch_argv("sbatch", TOKEN, Path("/p/job.sbatch"), ["--partition=gpu"]) == [
        "sbatch", "--parsable", "--open-mode=append", "--partition=gpu",
        f"--comment=hpcc:v1:{TOKEN}", "/p/job.sbatch", f"claim:{TOKEN}",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [["--comment=my run"], ["--comment", "my run"]])
def test_a_comment_of_the_user_stays_behind_the_token(given: list[str]) -> None:
    argv = sbatch_argv("sbatch", TOKEN, Path("/p/j"), [*given, "--mem=1G"])
    assert argv[3:5] == ["--mem=1G", f"--comment=hpcc:v1:{TOKEN}:my run"]


@pytest.mark.parametrize("option", ["--wait", "-W", "--test-only", "--wrap=true", "--help", "--version"])
def test_an_option_with_which_no_job_would_come_at_once_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be used"):
        sbatch_argv("sbatch", TOKEN, Path("/p/j"), [option])


@pytest.mark.parametrize(
    ("stdout", "job_id", "cluster"),
    [
        ("1234\n", "1234", None),
        ("1234;east\n", "1234", "east"),
        ("Welcome to the cluster!\n* maintenance on Monday *\n1234\n", "1234", None),
        ("  1234  \n\n", "1234", None),
    ],
)
def test_an_id_on_the_last_line_is_a_job(stdout: str, job_id: str, cluster: str | None) -> None:
    answer = parse_sbatch(_answer(stdout=stdout))
    assert isinstance(answer, Accepted)
    assert (answer.job_id, answer.cluster) == (job_id, cluster)


def test_a_notice_on_stderr_does_not_spoil_a_success() -> None:
    """`temporarily unable to accept job, sleeping and retrying` comes before many a success."""
    answer = parse_sbatch(_answer(stdout="7\n", stderr="sbatch: error: _add_delay: adding delay in RPC\n"))
    assert isinstance(answer, Accepted)
    assert "adding delay" in answer.notice


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "Submitted batch job 1234\n",
        "1234 5678\n",
        "job 1234\n",
        "0\n",
        "-1\n",
        "1234\nBye!\n",
        "１２３４\n",
        "12.34\n",
        "1234_1\n",
    ],
)
def test_success_without_a_plain_id_is_ambiguous(stdout: str) -> None:
    assert isinstance(parse_sbatch(_answer(stdout=stdout)), Ambiguous)


@pytest.mark.parametrize(
    ("stderr", "kind", "remedy"),
    [
        (f"sbatch: error: invalid partition specified: x\n{FAILED} Invalid partition name specified", "permanent", "partition"),
        (f"{FAILED} Invalid account or account/partition combination specified", "permanent", "account"),
        (f"{FAILED} Invalid qos specification", "permanent", "qos"),
        (f"{FAILED} Requested node configuration is not available", "permanent", "lower"),
        (f"{FAILED} Invalid feature specification", "permanent", "constraint"),
        (f"{FAILED} Job dependency problem", "permanent", "after_job"),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{POLICY}", "limit", "wait"),
        (f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}", "permanent", "lower"),
        (POLICY, "limit", "limit"),
        (f"{FAILED} Resource temporarily unavailable", "limit", "later"),
        (f"{FAILED} Unable to contact slurm controller (connect failure)", "unreachable", "later"),
        ("sbatch: fatal: Could not establish a configuration source", "unconfigured", "SLURM_CONF"),
        (f"{FAILED} Slurm backup controller in standby mode", "unreachable", "later"),
        ("sbatch: error: Batch script contains DOS line breaks (\\r\\n)", "permanent", "script"),
        ("sbatch: error: scripts that\nsbatch: error: contain a NULL character '\\0'.", "permanent", "script"),
        ("sbatch: unrecognized option '--nonsense'", "permanent", "submit_args"),
        ("sbatch: error: Invalid --time specification", "permanent", ""),
    ],
)  # fmt: skip
def test_a_known_refusal_says_what_to_do(stderr: str, kind: str, remedy: str) -> None:
    answer = parse_sbatch(_answer(rc=1, stderr=stderr))
    assert isinstance(answer, Refused)
    assert answer.kind == kind
    assert remedy in answer.remedy


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr"),
    [
        (1, "", f"{FAILED} Socket timed out on send/recv operation"),
        (1, "", f"{FAILED} Zero Bytes were transmitted or received"),
        (1, "", f"sbatch: error: Invalid qos\n{FAILED} Connection reset by peer"),
        (1, "", ""),
        (1, "", "sbatch: error: something never seen before"),
        (1, "1234\n", "sbatch: error: Invalid qos specification"),
        (-9, "", "sbatch: error: Invalid qos specification"),
        (-15, "", ""),
        (127, "", "wrapper: line 3: real-sbatch: not there"),
    ],
)
def test_whatever_may_have_left_a_job_behind_is_ambiguous(rc: int, stdout: str, stderr: str) -> None:
    """A guess here would submit the work twice."""
    assert isinstance(parse_sbatch(_answer(rc=rc, stdout=stdout, stderr=stderr)), Ambiguous)
