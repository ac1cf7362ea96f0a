"""What can go wrong with the next call of a tool, by name, for `FakeCluster.fail_next`."""

from __future__ import annotations

from dataclasses import dataclass

SOCKET_TIMED_OUT = "Socket timed out on send/recv operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one call departs from the good one."""

    does_the_work: bool = True
    """The scheduler does what was asked for, whatever the caller gets to see."""
    hangs: bool = False
    """The tool does not end by itself."""
    takes_s: float = 0.0
    """How long the tool runs before it ends."""
    rc: int | None = None
    """Exit status instead of the true one."""
    stdout: str | None = None
    """Output instead of the true one."""
    stderr: str | None = None
    keep_bytes: int | None = None
    """Only so much of the output arrives."""
    signal: int | None = None


def accept_then_timeout(takes_s: float = 10.0) -> Fault:
    """The controller takes the job and sbatch does not hear of it."""
    return Fault(takes_s=takes_s, rc=1, stdout="", stderr=_failed(SOCKET_TIMED_OUT))


def timeout_no_accept(takes_s: float = 10.0) -> Fault:
    """The same text from sbatch, and no job."""
    return Fault(does_the_work=False, takes_s=takes_s, rc=1, stdout="", stderr=_failed(SOCKET_TIMED_OUT))


def hang(*, accepted: bool = False) -> Fault:
    """The tool does not end until it is killed; with `accepted` the controller did the work."""
    return Fault(does_the_work=accepted, hangs=True)


def rc(status: int, text: str) -> Fault:
    """The tool fails with these words on stderr and nothing is done."""
    return Fault(does_the_work=False, rc=status, stdout="", stderr=text if text.endswith("\n") else f"{text}\n")


def stderr_notice(text: str = "sbatch: error: _add_delay: adding delay in RPC\n") -> Fault:
    """The work is done, with a complaint on stderr."""
    return Fault(stderr=text)


def garbage(text: str = "Job submitted, have a nice day!\n") -> Fault:
    """The work is done and the answer is something that no manual knows."""
    return Fault(stdout=text)


def partial_output(keep_bytes: int, *, status: int = 1) -> Fault:
    """The tool dies in the middle of its answer."""
    return Fault(
        keep_bytes=keep_bytes, rc=status, stderr="slurm_load_jobs error: Zero Bytes were transmitted or received\n"
    )


def _failed(text: str) -> str:
    return f"sbatch: error: Batch job submission failed: {text}\n"
