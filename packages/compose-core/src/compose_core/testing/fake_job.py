"""One job of the fake cluster: what it is, how it is now, and what the accounting has heard of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a script behaves once it runs."""

    after_s: float | None = None
    """None: it runs until the test ends it, or until its time limit."""
    exit_code: int = 0
    signal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the accounting knows of a job from a moment on."""

    at: float
    state: str
    reason: str
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    exit_code: int
    signal: int
    nodes: str
    restarts: int


@dataclass(slots=True, kw_only=True)
class FakeJob:
    """A job, an array task, or the tasks of an array that still wait together."""

    number: int
    """Slurm's raw id."""
    array_number: int | None = None
    """The array's id; None for an ordinary job."""
    task: int | None = None
    waiting_tasks: list[int] = field(default_factory=list)
    throttle: int | None = None
    was_split: bool = False
    """Tasks have left the ones that wait together; the last of them then stands without brackets."""
    name: str = "job"
    comment: str = ""
    submit_line: str = ""
    user: str
    uid: int
    partition: str = "debug"
    account: str = "root"
    submit_dir: Path = Path("/")
    command: str = ""
    output: str = ""
    time_limit_s: int | None = 600
    nodes_wanted: int = 1
    may_requeue: bool = True
    ending: Ending = Ending()
    state: str = "PENDING"
    reason: str = "None"
    held: bool = False
    submitted_at: float = 0.0
    eligible_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int = 0
    signal: int = 0
    node_list: str = ""
    restarts: int = 0
    total_cpu_s: float = 0.0
    """CPU time that the accounting shows once the job has ended."""
    max_rss_bytes: int = 0
    """Memory of its batch step, shown then too."""
    forgotten: bool = False
    """squeue and scontrol do not know it any more."""
    heard: list[Heard] = field(default_factory=list)

    @property
    def token(self) -> str | None:
        """What stands behind `claim:` on the submit line."""
        words = [word for word in self.submit_line.split(" ") if word.startswith("claim:")]
        return words[-1].removeprefix("claim:") if words else None

    @property
    def shown_id(self) -> str:
        """The id as squeue and sacct print it: `41`, `3043_1`, `3043_[2-5%2]`."""
        if self.array_number is None:
            return str(self.number)
        if self.task is not None:
            return f"{self.array_number}_{self.task}"
        alone = len(self.waiting_tasks) == 1 and self.was_split
        tasks = str(self.waiting_tasks[0]) if alone else f"[{self.task_text}]"
        return f"{self.array_number}_{tasks}"

    @property
    def task_text(self) -> str:
        """The waiting tasks as Slurm writes them: `2-5%2`."""
        limit = f"%{self.throttle}" if self.throttle and len(self.waiting_tasks) > 1 else ""
        return f"{_ranges(self.waiting_tasks)}{limit}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    def tell(self, at: float) -> None:
        """Report the job as it is now to the accounting."""
        self.heard.append(
            Heard(
                at=at,
                state=self.state,
                reason=self.reason,
                submitted_at=self.submitted_at,
                started_at=self.started_at,
                ended_at=self.ended_at,
                exit_code=self.exit_code,
                signal=self.signal,
                nodes=self.node_list,
                restarts=self.restarts,
            )
        )


def _ranges(numbers: list[int]) -> str:
    parts: list[str] = []
    run: list[int] = []
    for number in [*numbers, None]:
        if run and (number is None or number != run[-1] + 1):
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
            run = []
        if number is not None:
            run.append(number)
    return ",".join(parts)
