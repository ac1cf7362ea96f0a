"""What every engine can do: submit a script, say what it knows of jobs, signal them.

An answer is rows or `Unavailable`, never a guess: absence of a row proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, Self

from compose_core.cluster.usage_rows import RunningSteps, UsageRows
from compose_core.frozen import Frozen
from compose_core.job_state import JobId, JobState

EngineName = Literal["slurm", "local"]
EvidenceSource = Literal["squeue", "sacct", "scontrol", "local"]


class SubmitRequest(Frozen, kw_only=True):
    """One script to submit, once."""

    token: str
    """26 characters; travels in the job's comment and as the script's `claim:` argument."""
    script: Path
    project_dir: Path
    """The compose file's folder: the job's submit folder."""
    job_name: str
    extra_args: tuple[str, ...] = ()
    """Further sbatch options, put before the script."""
    secret_variables: tuple[str, ...] = ()
    """Variables of the user that the job asked for by name, although such names are not passed on otherwise."""
    runtime_root: Path | None = None
    """Where job folders are made; None: `.hpc-compose` in the project folder."""


class Accepted(Frozen, kw_only=True):
    """The scheduler has the job."""

    job_id: JobId
    cluster: str | None = None
    """Set when the scheduler named a cluster (`1234;cluster`)."""
    notice: str = ""
    """What the program said on stderr although it succeeded."""
    batch_log: Path | None = None
    """Where the script's own output goes; None when that is only known on the node."""


RefusalKind = Literal["permanent", "limit", "unreachable", "unconfigured"]
"""`permanent`: the request is wrong; `limit`: later may work; `unreachable`: no controller took the request; `unconfigured`: the
program did not learn which controller to ask, so none was asked."""


class Refused(Frozen, kw_only=True):
    """The scheduler answered no; there is no job."""

    kind: RefusalKind
    message: str
    remedy: str = ""


class Ambiguous(Frozen, kw_only=True):
    """It is not known whether the scheduler took the job: ask for the token, never submit again."""

    message: str


SubmitAnswer = Accepted | Refused | Ambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What one source says of one job."""

    job_id: JobId
    state: JobState
    source: EvidenceSource
    raw_state: str = ""
    """The scheduler's own word."""
    exit_code: int | None = None
    """None while unknown; the status of the batch script."""
    signal: int | None = None
    reason: str = ""
    """Why it waits or ended, in Slurm's words; empty when there is none."""
    submitted_at: float | None = None
    started_at: float | None = None
    """Expected start while the job waits."""
    ended_at: float | None = None
    time_limit_s: int | None = None
    node_count: int | None = None
    nodelist: str = ""
    user: str = ""
    name: str = ""
    token: str | None = None
    """The submission token found in the comment or the submit line; None when neither carries one."""
    array_job_id: JobId | None = None
    """Set for every row of an array."""
    array_task: str | None = None
    """`7`; or `2-5%2` for tasks that still wait together, in one row whose `job_id` is the array's."""


class Rows(Frozen, kw_only=True):
    """The source answered: these jobs and no others are known to it."""

    rows: tuple[JobRow, ...]
    source: EvidenceSource
    malformed: int = 0
    """Lines of another shape that were dropped; a job may hide behind one, so absence is then no evidence."""
    asked_at: float | None = None
    """When the source was asked: what happened after that may be missing. None: for this very caller, just now."""


class Unavailable(Frozen, kw_only=True):
    """The source did not answer."""

    kind: Literal["unreachable", "disabled", "missing", "error"]
    """`disabled`: this site keeps no accounting; `missing`: the program is not installed."""
    message: str
    source: EvidenceSource | Literal["sstat"]
    asked_at: float | None = None
    """Until when an answer was waited for. None: for this very caller, just now."""


Answer = Rows | Unavailable


class CancelAnswer(Frozen, kw_only=True):
    """What became of a request to signal a job; the end itself is confirmed by observing it."""

    requested: bool
    message: str = ""
    reachable: bool = True
    """False: the scheduler did not answer, nothing is known to have changed."""


@dataclass(slots=True)
class CallCounter:
    """How many scheduler programs were started, by name; the scheduler is shared, so calls are a cost."""

    calls: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long they took together."""
    shared: dict[str, int] = field(default_factory=dict)
    """How many answers were taken from those of other processes."""

    def count(self, program: str, seconds: float = 0.0) -> None:
        """One call, which took so long."""
        self.calls[program] = self.calls.get(program, 0) + 1
        self.seconds[program] = self.seconds.get(program, 0.0) + seconds

    def count_shared(self, program: str) -> None:
        """One answer that cost no call."""
        self.shared[program] = self.shared.get(program, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def __str__(self) -> str:
        """`squeue 2 times in 0.31 s, sacct 1 time in 0.02 s; 3 answers of other processes used`."""
        told = [
            f"{program} {_times(count)} in {self.seconds.get(program, 0.0):.2f} s"
            for program, count in sorted(self.calls.items())
            if count
        ]
        used = sum(self.shared.values())
        text = ", ".join(told) or "not asked"
        return f"{text}; {used} answer{'s' * (used != 1)} of other processes used" if used else text

    @classmethod
    def sum_of(cls, counters: Iterable[CallCounter]) -> Self:
        """All of them together; one that is named twice counts once."""
        total = cls()
        for counter in {id(counter): counter for counter in counters}.values():
            for program in counter.calls.keys() | counter.shared.keys():
                total.calls[program] = total.calls.get(program, 0) + counter.calls.get(program, 0)
                total.seconds[program] = total.seconds.get(program, 0.0) + counter.seconds.get(program, 0.0)
                total.shared[program] = total.shared.get(program, 0) + counter.shared.get(program, 0)
        return total


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


class Engine(Protocol):
    """Slurm, or this machine."""

    name: EngineName
    counter: CallCounter

    def submit(self, request: SubmitRequest) -> SubmitAnswer:
        """Hand the script over once; never retries by itself."""
        ...

    def queue(self, *, not_before: float | None = None) -> Answer:
        """All jobs of this user that the scheduler still remembers: one call at most, however many are watched.

        With `not_before`, an answer that somebody else got since then is good enough.
        """
        ...

    def find_jobs(self, job_ids: Sequence[JobId]) -> Answer:
        """What the queue knows of these jobs, whoever submitted them; one call for all.

        Raises: ValueError: no id given.
        """
        ...

    def accounting(self, job_ids: Sequence[JobId], *, since_epoch_s: float, not_before: float | None = None) -> Answer:
        """What the accounting knows of these jobs since then; one call for all, and `not_before` as in `queue`.

        Raises: ValueError: no id given (an empty list would mean everybody's jobs).
        """
        ...

    def usage(self, job_ids: Sequence[JobId], *, since_epoch_s: float) -> UsageRows | Unavailable:
        """What these jobs and their steps used, as far as it is known by now; one call for all.

        Raises: ValueError: no id given.
        """
        ...

    def running_usage(self, job_ids: Sequence[JobId]) -> RunningSteps | Unavailable:
        """What the steps of these jobs use that run now; one call for all.

        Raises: ValueError: no id given.
        """
        ...

    def show_job(self, job_id: JobId) -> dict[str, str] | Unavailable:
        """All that the controller knows of one job, by Slurm's own keys; empty when it knows none with this id."""
        ...

    def find_token(self, token: str, *, since_epoch_s: float) -> tuple[Answer, Answer]:
        """Jobs that carry the token, according to the queue and to the accounting."""
        ...

    def cancel(self, job_id: JobId, *, token: str | None = None, force: bool = False) -> CancelAnswer:
        """Ask for the job's end; with a token the job is checked to carry it right before (ids are reused)."""
        ...
